import type { Queryable } from '../gallery/database.js';
import { identifier } from '../gallery/sql-values.js';
import { equal, type Subject } from './reconcile.js';
import type { Finding, Validation } from './report.js';

/**
 * Holds every good row of the stage against the face that is stored for it – its vector and its person – and every
 * face of the domain against the rows. Reads what is stored; it does not trust what a migration believes it wrote.
 */

const FINDINGS = 100;

const judged = (table: string): string => `
  select stage.row_number, coalesce(face.image_path, stage.image_path) as image_path,
         case when face.id is null then 'missing'
              when not ${equal('face.embedding', 'stage.embedding')} then 'different-vector'
              when face.person_id is distinct from kith_folder.person_id then 'different-person'
              else 'ok' end as verdict
  from kith_stage stage left join kith_match using (row_number)
       left join ${identifier(table)} face on face.id = face_id
       left join kith_folder using (person)
  where stage.reason is null
  union all
  select null, face.image_path, 'extra'
  from ${identifier(table)} face
  where face.domain = $1 and not exists (select from kith_match where face_id = face.id)`;

type Verdict = Finding['kind'] | 'ok';

export async function validate(
  transaction: Queryable,
  { domain, table }: Subject,
): Promise<{ readonly validated: Validation; readonly findings: readonly Finding[] }> {
  const { rows } = await transaction.query<{ verdict: Verdict; count: number; found: Omit<Finding, 'kind'>[] | null }>({
    text: `
      with judged as materialized (${judged(table)})
      select verdict, count(*)::integer as count,
             case when verdict <> 'ok' then
               (select jsonb_agg(jsonb_build_object('row', row_number, 'imagePath', image_path))
                from (select row_number, image_path from judged other where other.verdict = judged.verdict
                      order by row_number, image_path limit ${FINDINGS}) first)
             end as found
      from judged group by verdict order by verdict`,
    values: [domain],
  });
  const count = (...verdicts: Verdict[]): number =>
    rows.filter(({ verdict }) => verdicts.includes(verdict)).reduce((sum, row) => sum + row.count, 0);
  return {
    validated: {
      ok: count('ok'),
      missing: count('missing'),
      extra: count('extra'),
      different: count('different-vector', 'different-person'),
    },
    findings: rows.flatMap(({ verdict, found }) =>
      verdict === 'ok' ? [] : (found ?? []).map((finding) => ({ kind: verdict, ...finding })),
    ),
  };
}
