/**
 * What is left of an image's path when the storage moved: `Person/file.jpg`, forward slashes. Null for a bare file name.
 * {@link tailOfPath} computes the same in the database.
 */
export function imageTail(path: string): string | null {
  const slashed = path.includes('/') ? path : path.replaceAll('\\', '/');
  return /([^/]+)\/+([^/]+)$/.exec(slashed)?.slice(1).join('/') ?? null;
}

/** SQL for {@link imageTail} of an expression that holds a stored path, which may end in `#face=N`. */
export function tailOfPath(path: string): string {
  const image = `regexp_replace(${path}, '#face=[1-9][0-9]*$', '')`;
  const slashed = `case when position('/' in ${image}) > 0 then ${image} else replace(${image}, '\\', '/') end`;
  return `regexp_replace(substring(${slashed} from '[^/]+/+[^/]+$'), '/+', '/')`;
}
