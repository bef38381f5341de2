/** An enrolled identity. `id` is the table's own key as text. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly wikidataId: string | null;
  readonly occupation: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewPerson {
  readonly name: string;
  readonly domain: string;
  readonly wikidataId?: string;
  readonly occupation?: string;
}

/** A page of a list: `next` is the cursor of the page after it, null at the end. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

export interface PageRequest {
  readonly after?: string;
  /** 1–1000, 100 unless given. */
  readonly limit?: number;
}
