/**
 * The catalogue of faults: a stable code, a message template, an HTTP status, an exit code.
 * Every code has an entry in docs/errors.md (a test holds the two together).
 * Ordinary outcomes (no face, no match) are not faults: they are values.
 */

interface FaultDefinition {
  /** Template: `{name}` is replaced by the parameter of that name. Never put a secret, a vector or a photo in one. */
  readonly message: string;
  /** What the reader can do about it; also a template. */
  readonly hint?: string;
  readonly status: number;
  /** 1: the thing asked for failed; 2: wrong usage or configuration. */
  readonly exit: 1 | 2;
  /** Seconds after which a caller may try again; sent as Retry-After. */
  readonly retryAfter?: number;
}

export const FAULTS = {
  // embedding
  'embedding-dimension': {
    message: 'an embedding of {given} numbers was given where the space {space} has {expected}',
    hint: 'use an embedding of the same model as the gallery',
    status: 422,
    exit: 1,
  },
  'embedding-not-finite': {
    message: 'the embedding holds a value that is not a finite number, at index {index}',
    status: 422,
    exit: 1,
  },
  'embedding-zero-norm': { message: 'the embedding has norm 0: it has no direction to compare', status: 422, exit: 1 },
  'space-mismatch': {
    message: 'embeddings of two spaces cannot be compared: {left} and {right} ({why})',
    hint: "use an engine of the domain's own space, or enrol the photos again in the other space",
    status: 409,
    exit: 1,
  },
  'space-name': {
    message: '"{given}" is not the name of an embedding space',
    hint: 'as in model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
    status: 400,
    exit: 2,
  },

  // config
  'config-value': {
    message: '{variable} must be {allowed}, and {given} was given',
    hint: 'every variable, its meaning and default: docs/configuration.md',
    status: 500,
    exit: 2,
  },
  'config-env-file': { message: 'the file {path} cannot be read: {why}', status: 500, exit: 2 },
  'config-database-url': {
    message: '{variable} is not a PostgreSQL URL that Kith can read: {why}',
    hint: 'as in postgres://user:password@host:5432/database?sslmode=verify-full',
    status: 500,
    exit: 2,
  },
  'config-database-url-encoding': {
    message: 'the password in {variable} holds reserved characters that are not percent-encoded',
    hint: 'write % as %25, / as %2F, = as %3D, @ as %40, : as %3A, # as %23, ? as %3F; or give the password apart (docs/secrets.md)',
    status: 500,
    exit: 2,
  },
  'config-database-url-twice': {
    message: 'VECTOR_DB_URL and VECTOR_DB_URL_FILE are both set',
    hint: 'unset one of them',
    status: 500,
    exit: 2,
  },
  'admin-url-missing': {
    message: "an administrator's URL is needed",
    hint: 'kith db init --admin-url postgresql://postgres@host/postgres, or VECTOR_DB_ADMIN_URL; its password as in docs/secrets.md',
    status: 500,
    exit: 2,
  },
  'password-missing': {
    message: '{login} wants a password, and none was given',
    hint: 'give it in PGPASSWORD, in {file} (mode 0600), or in another way of docs/secrets.md',
    status: 503,
    exit: 2,
  },
  'password-file': { message: 'the password file {file} cannot be used: {why}', status: 503, exit: 2 },
  'secret-file': { message: 'the secret in {file} cannot be used: {why}', status: 503, exit: 2 },
  'tls-file': { message: 'the certificate or key {file} cannot be used: {why}', status: 500, exit: 2 },
  'vault-reference': {
    message: 'the reference into Vault in {source} cannot be read',
    hint: 'as in vault:secret/kith/database#password (mount, path, # and the field)',
    status: 500,
    exit: 2,
  },
  'vault-settings': { message: 'the settings for Vault are not enough: {why}', status: 500, exit: 2 },
  'vault-unreachable': { message: 'no service from Vault at {address}: {why}', status: 503, exit: 1, retryAfter: 5 },
  'vault-denied': {
    message: 'access to {path} in Vault was refused with status {status}: {why}',
    hint: 'check the token or role and that its policy may read this path',
    status: 503,
    exit: 2,
  },
  'vault-secret': { message: 'no usable secret at {path} in Vault: {why}', status: 503, exit: 2 },

  // photo
  'photo-empty': { message: 'the photo is empty: 0 bytes were given', status: 400, exit: 1 },
  'photo-too-large-bytes': {
    message: 'a photo of {given} bytes was given where at most {limit} are allowed',
    hint: 'give a smaller photo, or raise the limit',
    status: 413,
    exit: 1,
  },
  'photo-not-an-image': {
    message: 'the bytes given are not an image',
    hint: 'JPEG, PNG, WebP, AVIF, GIF and TIFF are read',
    status: 415,
    exit: 1,
  },
  'photo-format': {
    message: 'an image of format {given} was given where JPEG, PNG, WebP, AVIF, GIF or TIFF is read',
    status: 415,
    exit: 1,
  },
  'photo-too-many-pixels': {
    message: 'a photo of {width} × {height} pixels was given where at most {limit} pixels are allowed',
    hint: 'scale the photo down, or raise the limit',
    status: 413,
    exit: 1,
  },
  'photo-corrupt': {
    message: 'the photo is damaged or cut off and cannot be decoded',
    status: 422,
    exit: 1,
  },

  // face

  // inference
  'inference-busy': {
    message: '{waiting} photos are waiting for the face engine, as many as are allowed to',
    hint: 'try again in a moment',
    status: 503,
    exit: 1,
    retryAfter: 1,
  },
  'inference-closed': { message: 'the face engine has been closed', status: 503, exit: 1 },
  'inference-worker': {
    message: 'the face engine failed on this photo: {reason}',
    hint: 'the worker was replaced; other photos are not affected',
    status: 500,
    exit: 1,
  },
  'inference-device': {
    message: 'the device "{device}" was asked for, but onnxruntime cannot use it here; it has {available}',
    hint: 'set KITH_DEVICE=cpu, or install what the device needs',
    status: 503,
    exit: 2,
  },
  'inference-model': { message: 'onnxruntime cannot load the model: {reason}', status: 500, exit: 1 },
  'weights-missing': {
    message: 'the weights file {file} is not there or cannot be read',
    status: 503,
    exit: 2,
  },
  'weights-damaged': {
    message: 'the weights {source} hold {given} bytes where {expected} are expected',
    hint: 'the file is cut off or another one: copy it again',
    status: 503,
    exit: 2,
  },
  'weights-layer': { message: 'the weights {source} have no {layer}', status: 503, exit: 2 },
  'weights-shape': {
    message: 'the weights {source} hold {layer} as {given} where {expected} is expected',
    hint: 'the file belongs to another model or version',
    status: 503,
    exit: 2,
  },
  'weights-not-keras': {
    message: 'the weights {source} are no Keras HDF5 file',
    hint: 'the download may have been an error page, or the file belongs to another program: see kith models check',
    status: 503,
    exit: 2,
  },
  'weights-layers': {
    message: 'the weights {source} hold {given} layers where {expected} are expected',
    hint: 'the file belongs to another model or version',
    status: 503,
    exit: 2,
  },
  'space-not-computed': {
    message: 'embeddings of the space {space} cannot be computed here: {why}',
    hint: '{needed}',
    status: 422,
    exit: 2,
  },
  'model-unknown': {
    message: '"{given}" is none of the models known here: {allowed}',
    hint: 'kith models list shows them with what each is for',
    status: 400,
    exit: 2,
  },
  'model-url': {
    message: 'no address is known to pull {file} from',
    hint: 'give one with --url, and with --sha256 the hash it must have',
    status: 400,
    exit: 2,
  },
  'model-download': {
    message: '{file} could not be pulled: {reason}',
    hint: 'what has arrived is kept, and the same command goes on from there',
    status: 502,
    exit: 1,
  },
  'model-size': {
    message: '{file} came with {given} bytes where {expected} are expected; it was removed',
    hint: 'the address may answer with an error page',
    status: 502,
    exit: 1,
  },
  'model-hash': {
    message: '{file} has the SHA-256 {given} where {expected} is expected; it was removed',
    hint: 'another version, or a damaged or forged file: check the address',
    status: 502,
    exit: 1,
  },

  // datastore
  'datastore-missing': {
    message: 'there is no datastore at {path}',
    hint: "check the domain's folder in KITH_STORAGE",
    status: 404,
    exit: 1,
  },
  'datastore-unreadable': {
    message: 'the datastore {path} cannot be read ({why})',
    hint: 'it must be a regular file that this user may read',
    status: 500,
    exit: 1,
  },
  'datastore-no-bytes': {
    message: 'the datastore {path} has no bytes: its writing was cut off before it began',
    hint: 'restore it from a copy, or let DeepFace or kith enroll build it again',
    status: 500,
    exit: 1,
  },
  'datastore-truncated': {
    message: 'the datastore {path} ends at byte {offset}, in the middle of {what}',
    hint: 'it is being written, or its writing was cut off: try again, or restore it from a copy',
    status: 500,
    exit: 1,
  },
  'datastore-not-pickle': {
    message: '{path} is not a pickle, or a damaged one: {why} at byte {offset}',
    hint: 'a datastore is a pickle of protocol 0 to 5 that DeepFace wrote',
    status: 500,
    exit: 1,
  },
  'datastore-not-deepface': {
    message: "{path} is a pickle, but not a DeepFace datastore's: {why} at byte {offset}",
    hint: 'a datastore is one list of rows, each an image and its embedding',
    status: 500,
    exit: 1,
  },
  'datastore-forbidden-global': {
    message: 'the pickle {path} asks for {global} at byte {offset}: refused, nothing was executed',
    hint: 'a datastore needs lists, numbers, text and numpy arrays only; do not load this file with Python',
    status: 500,
    exit: 1,
  },
  'datastore-trailing-bytes': {
    message: 'the datastore {path} goes on for {bytes} bytes after its end at byte {offset}',
    hint: 'it was overwritten in place by a shorter one, or two writers met: restore it from a copy',
    status: 500,
    exit: 1,
  },
  'datastore-changed': {
    message: 'the datastore {path} changed while it was read',
    hint: 'try again when its writer is done',
    status: 503,
    exit: 1,
    retryAfter: 5,
  },
  'datastore-shared-objects': {
    message: 'the datastore {path} refers again to earlier rows or vectors of more than {limit} MB together',
    hint: 'load and save it once with copies of the shared rows',
    status: 500,
    exit: 1,
  },
  'datastore-name': {
    message: "a datastore's file name spells every part of the space; unknown here: {unknown}",
    hint: 'give the whole space, as in model_arcface_detector_retinaface_aligned_normalization_base_expand_0',
    status: 400,
    exit: 2,
  },
  'datastore-not-written': {
    message: 'the datastore {path} could not be written ({why}); what was there is unchanged',
    hint: 'check the space and the rights of its folder',
    status: 500,
    exit: 1,
  },
  'datastore-not-served': {
    message: 'the datastore {path} is not served: {why}',
    hint: 'it is loaded again by itself when the file is whole',
    status: 503,
    exit: 1,
    retryAfter: 5,
  },

  // gallery
  'database-unreachable': {
    message: 'the database at {address} cannot be reached: {why}',
    hint: 'kith doctor --check database says what is wrong',
    status: 503,
    exit: 1,
    retryAfter: 5,
  },
  'database-refused': {
    message: 'the database at {address} refused the connection: {why}',
    hint: 'check user, password and database name; kith doctor says where the password comes from',
    status: 503,
    exit: 2,
    retryAfter: 30,
  },
  'database-busy': { message: 'the database is busy: {why}', status: 503, exit: 1, retryAfter: 1 },
  'database-permission': {
    message: "the database's role lacks a right: {why}",
    hint: 'kith db init makes roles with the rights that Kith needs',
    status: 500,
    exit: 1,
  },
  'database-fault': {
    message: 'the database reported an error: {why} (SQLSTATE {state})',
    status: 500,
    exit: 1,
  },
  'embedded-locked': {
    message: 'the embedded database in {folder} belongs to process {owner}, which does not answer',
    hint: 'end that process, or give this one another KITH_DATA',
    status: 503,
    exit: 1,
    retryAfter: 5,
  },
  'embedded-version': {
    message:
      'the embedded database in {folder} was made by PostgreSQL {found}, and this Kith holds PostgreSQL {expected}',
    hint: 'restore a backup that the older Kith made: kith backup, then kith restore',
    status: 500,
    exit: 1,
  },
  'pgvector-missing': {
    message: 'the database has no pgvector extension',
    hint: 'as a superuser: create extension vector; or let kith db init do it',
    status: 503,
    exit: 1,
  },
  'pgvector-old': {
    message: 'the database has pgvector {found}, and {needed} or newer is needed',
    hint: 'install a newer pgvector, then: alter extension vector update',
    status: 503,
    exit: 1,
  },
  'schema-missing': {
    message: 'the database has no Kith schema',
    hint: 'kith db migrate makes it',
    status: 503,
    exit: 1,
  },
  'schema-old': {
    message: "the database's schema is version {found}, and this Kith needs {needed}",
    hint: 'kith db migrate brings it up to date, run as the owner of the tables',
    status: 503,
    exit: 1,
  },
  'schema-not-taken-over': {
    message: "the database holds the old service's two tables, which Kith has not taken over yet",
    hint: 'kith db migrate takes them over in place, run as the owner of the tables',
    status: 503,
    exit: 1,
  },
  'schema-newer': {
    message: "the database's schema is version {found}, newer than the {known} that this Kith knows",
    hint: 'use the Kith that made it, or a newer one',
    status: 503,
    exit: 1,
  },
  'schema-foreign': {
    message: 'a table named {table} is there, and it is not what the old service made: {why}',
    hint: 'give Kith a database or a schema of its own',
    status: 500,
    exit: 1,
  },
  'schema-rights': {
    message: 'the schema is {state}, and the role {role} may not bring it up to date',
    hint: 'run "kith db migrate" once with the URL of {owner}, then start again',
    status: 500,
    exit: 1,
  },
  'schema-owner': {
    message: 'the table {table} belongs to the role {owner}, and {role} may not alter it',
    hint: 'run kith db migrate as {owner}, or: grant {owner} to {role}',
    status: 500,
    exit: 1,
  },
  'domain-unknown': {
    message: 'there is no domain named {domain}',
    hint: 'kith domain list shows the domains; kith enroll and kith migrate make one',
    status: 404,
    exit: 1,
  },
  'domain-name': {
    message:
      "a domain's name is 1 to 100 characters, none of them a control character or a slash, and {given} was given",
    status: 400,
    exit: 2,
  },
  'domain-space': {
    message: 'the domain {domain} holds embeddings of {held}, and {given} was given',
    hint: 'a domain is searched in one space; put the others into a domain of their own',
    status: 409,
    exit: 1,
  },
  'space-undeclared': {
    message: 'nobody has declared of which space the embeddings of the domain {domain} are; {given} was given',
    hint: 'kith migrate declares it from the datastore, or: kith domain set {domain} space=NAME',
    status: 409,
    exit: 1,
  },
  'space-declared': {
    message: 'the table {table} already holds {held}; it cannot be declared to hold {given}',
    status: 409,
    exit: 1,
  },
  'threshold-unknown': {
    message: 'the space {space} has no threshold of its own, the domain {domain} sets none, and none was given',
    hint: 'give one, or: kith domain set {domain} threshold=NUMBER',
    status: 422,
    exit: 2,
  },
  'person-unknown': { message: 'there is no person with the id {id}', status: 404, exit: 1 },
  'person-exists': {
    message: 'the domain {domain} already has a person with that name',
    hint: 'kith person merge joins two persons',
    status: 409,
    exit: 1,
  },
  'person-merge-same': {
    message: 'a person cannot be merged into itself: both are {name} of the domain {domain}',
    status: 400,
    exit: 2,
  },
  'person-merge-domains': {
    message: 'persons of two domains cannot be merged: one is of {from}, the other of {into}',
    status: 400,
    exit: 2,
  },
  'gallery-option': {
    message: '{option} must be {allowed}, and {given} was given',
    status: 400,
    exit: 2,
  },

  // recognition
  'face-none': {
    message: 'the {which} photo shows no face',
    hint: 'give a photo on which a face is at least about 40 pixels wide',
    status: 422,
    exit: 1,
  },
  'threshold-value': {
    message: 'a threshold must be a distance, 0 or more, and {given} was given',
    status: 400,
    exit: 2,
  },
  'threshold-needed': {
    message: 'nobody has tuned a threshold for the space {space}, and none was given',
    hint: 'give one: --threshold T',
    status: 422,
    exit: 2,
  },
  'top-k-value': {
    message: 'top-k must be a whole number from 1 to {max}, and {given} was given',
    status: 400,
    exit: 2,
  },
  'datastore-none': {
    message: 'the domain {domain} has no datastore',
    hint: "a datastore lies in the domain's folder in KITH_STORAGE; kith archive restore brings an archived one back",
    status: 409,
    exit: 1,
  },
  'enrol-folder': {
    message: 'the folder {folder} cannot be read ({why})',
    hint: 'enrolment takes a folder of <Person>/<image>',
    status: 400,
    exit: 2,
  },
  'enrol-not-migrated': {
    message: 'the domain {domain} has a datastore that is not in the gallery yet',
    hint: 'first kith migrate --domain {domain}, so that its persons are not left behind',
    status: 409,
    exit: 1,
  },
  'enrol-prune-all': {
    message: 'the folder holds no image at all: the faces of {images} images are kept',
    hint: 'is it mounted? To empty a domain, erase its persons',
    status: 409,
    exit: 1,
  },
  'mode-not-migrated': {
    message: 'the domain {domain} is not in the gallery: it answers from its datastore, and no mode can be kept for it',
    hint: 'first kith migrate --domain {domain}',
    status: 409,
    exit: 1,
  },
  'domain-busy': {
    message: 'another command is changing what {domain} answers from',
    hint: 'wait until it is done',
    status: 409,
    exit: 1,
    retryAfter: 10,
  },
  'replay-not-migrated': {
    message: 'the domain {domain} is not in the gallery: there is nothing to compare its datastore with',
    hint: 'first kith migrate --domain {domain}',
    status: 409,
    exit: 1,
  },
  'cutover-refused': {
    message: 'the domain {domain} is not ready to be cut over: {reasons}',
    hint: 'kith shadow report {domain} shows the differences; --force --reason "…" switches all the same and is recorded',
    status: 409,
    exit: 1,
  },
  'cutover-standing': {
    message: 'the domain {domain} has been cut over already',
    hint: 'kith rollback {domain} goes back',
    status: 409,
    exit: 1,
  },
  'cutover-reason': {
    message: 'a forced cutover of {domain} needs a reason, which is recorded',
    hint: '--force --reason "…"',
    status: 400,
    exit: 2,
  },
  'rollback-nothing': {
    message: 'the domain {domain} is in mode {mode}: there is no cutover to take back',
    status: 409,
    exit: 1,
  },
  'rollback-no-datastore': {
    message: 'the domain {domain} has no datastore to go back to',
    hint: 'kith archive restore FILE, or kith export {domain} --format deepface --out its folder',
    status: 409,
    exit: 1,
  },
  'archive-not-cut-over': {
    message: 'the datastores of {domain} are in use: its mode is {mode}, and no cutover is on record',
    hint: 'first kith cutover {domain}',
    status: 409,
    exit: 1,
  },
  'archive-too-early': {
    message: 'the cutover of {domain} is {days} days old where {least} are asked for {why}',
    hint: '--min-days N asks for less, once the watch is over',
    status: 409,
    exit: 1,
  },
  'archive-nothing': { message: 'there is no datastore of {domain} in {folder}', status: 404, exit: 1 },
  'archive-missing': { message: 'there is no archive at {archive}', status: 404, exit: 2 },
  'archive-not-written': {
    message: 'the archive {archive} could not be written ({why}); nothing was removed',
    hint: 'check the space and the rights of its folder, or choose another with --out',
    status: 500,
    exit: 1,
  },
  'archive-damaged': {
    message: 'the archive {archive} is not whole: {why}',
    hint: 'nothing was removed or restored; use another copy',
    status: 422,
    exit: 1,
  },
  'archive-conflict': {
    message: '{path} is there already with another content; nothing was restored',
    hint: 'move it away first',
    status: 409,
    exit: 1,
  },
  'archive-not-restored': {
    message: 'the archive {archive} could not be unpacked into {folder} ({why}); nothing was changed',
    hint: 'check the space and the rights of the folder',
    status: 500,
    exit: 1,
  },

  // migration
  'migration-no-gallery': {
    message: 'a migration needs a database; only a dry run does without',
    status: 400,
    exit: 2,
  },
  'migration-no-storage': {
    message: 'the storage folder {folder} cannot be read: {why}',
    hint: 'KITH_STORAGE names the folder whose folders are the domains',
    status: 404,
    exit: 2,
  },
  'migration-no-datastore': {
    message: 'the domain {domain} has no datastore in {folder}',
    hint: 'a datastore is a file such as ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl',
    status: 404,
    exit: 1,
  },
  'migration-disturbed': {
    message: 'while the domain {domain} was loaded, another program stored {rows} of its images for another domain',
    hint: 'nothing was changed: run it again',
    status: 409,
    exit: 1,
  },
  'export-no-space': {
    message: 'the domain {domain} has no embeddings of the space {space}',
    hint: "kith stats names the spaces; without --space the domain's own is exported",
    status: 404,
    exit: 1,
  },
  'migration-space-conflict': {
    message: 'the space {given} contradicts the datastore {datastore}: {why}',
    hint: 'the space completes what a file name does not say; it cannot change what it says',
    status: 409,
    exit: 2,
  },

  // ops
  'unit-option': {
    message: '{what} of the systemd unit must be {allowed}',
    hint: 'kith systemd print --help',
    status: 400,
    exit: 2,
  },
  'key-missing': {
    message: 'this needs an API key, and none was given',
    hint: 'send "Authorization: Bearer kith_…"; kith keys create makes one',
    status: 401,
    exit: 1,
  },
  'key-refused': {
    message: 'the API key is not known, or expired, or was revoked',
    hint: 'kith keys list shows which keys are in force',
    status: 401,
    exit: 1,
  },
  'key-scope': {
    message: 'the API key is for {has}, and this needs {needs}',
    status: 403,
    exit: 1,
  },
  'key-unknown': { message: 'there is no API key {id}', hint: 'kith keys list', status: 404, exit: 1 },
  'database-init': {
    message: 'the database was not set up: {why}',
    hint: 'an administrator who may make roles and databases is needed; docs/manual-testing.md has the statements',
    status: 500,
    exit: 1,
  },
  'backup-exists': {
    message: 'there is a file at {file} already',
    hint: 'name another one; a backup is never written over',
    status: 409,
    exit: 1,
  },
  'backup-unreadable': { message: 'the backup cannot be read: {why}', status: 422, exit: 1 },
  'restore-occupied': {
    message: 'the database {database} holds {persons} persons; nothing was restored',
    hint: 'restore into an empty one, or add --replace',
    status: 409,
    exit: 1,
  },
  'program-missing': {
    message: 'no {name} of PostgreSQL {version} or newer was found',
    hint: 'install it (Debian: postgresql-client-{version}), or set KITH_PG_BIN to its folder',
    status: 500,
    exit: 1,
  },
  'program-failed': { message: '{program} failed: {why}', status: 500, exit: 1 },
  'check-unknown': { message: 'a check must be one of {allowed}, and {given} was given', status: 400, exit: 2 },
  'instance-running': {
    message: '{what} is held by a running process, number {pid} ({file})',
    hint: 'stop that one first, or give this one a KITH_DATA and a port of its own',
    status: 409,
    exit: 1,
  },
  'unit-install': {
    message: 'the systemd unit was not installed: {why}',
    hint: 'run it as root, or write the output of "kith systemd print" there yourself',
    status: 500,
    exit: 1,
  },

  // server
  'route-unknown': {
    message: 'there is no {method} at this address',
    hint: 'the addresses and what they take: /docs',
    status: 404,
    exit: 1,
  },
  'request-body': { message: 'the body of the request cannot be read: {problem}', status: 400, exit: 1 },
  'request-media-type': {
    message: 'a photo arrives as multipart, as raw bytes or as JSON, and this body is none of them',
    status: 415,
    exit: 1,
  },
  'request-too-large': {
    message: 'the body of the request is larger than a photo may be',
    hint: 'KITH_MAX_PHOTO_BYTES sets the limit',
    status: 413,
    exit: 1,
  },
  'request-timeout': {
    message: 'the answer was not ready in time',
    hint: 'KITH_REQUEST_SECONDS sets the limit',
    status: 503,
    exit: 1,
    retryAfter: 5,
  },
  'request-cancelled': { message: 'the caller went away before the answer was ready', status: 499, exit: 1 },
  'request-photo-missing': {
    message: 'the request holds {given} where {expected} was expected',
    hint: 'as in curl --data-binary @photo.jpg, curl -F photo=@photo.jpg, or JSON with "image" in base64',
    status: 400,
    exit: 1,
  },
  'parameter-value': {
    message: '{name} must be {allowed}, and {given} was given',
    status: 400,
    exit: 2,
  },
  'parameter-missing': { message: '{name} is missing: {meaning}', status: 400, exit: 2 },
  'host-without-key': {
    message: 'KITH_HOST is {host}, which other machines reach, and no API key exists',
    hint: 'make one with kith keys create, or listen on 127.0.0.1',
    status: 500,
    exit: 2,
  },
  'port-busy': {
    message: 'port {port} of {host} is in use by another program',
    hint: 'stop that program, or set KITH_PORT to another port',
    status: 500,
    exit: 1,
  },
  'port-forbidden': {
    message: 'port {port} of {host} cannot be listened on: {why}',
    hint: 'ports below 1024 need a right that this user does not have; KITH_HOST must be an address of this machine',
    status: 500,
    exit: 2,
  },
  stopping: { message: 'the service is about to end', status: 503, exit: 1, retryAfter: 5 },
  'domain-not-validated': {
    message: 'the domain {domain} could not be held against its datastore: {why}',
    status: 409,
    exit: 1,
  },
  starting: { message: 'the service is starting: {step}', status: 503, exit: 1, retryAfter: 2 },

  // cli
  usage: { message: '{problem}', hint: '{command} --help', status: 400, exit: 2 },
  'bench-checkout': {
    message: 'benchmarks belong to a checkout of Kith, and this is an installed package without them',
    hint: 'clone the repository, npm ci, then npx kith bench',
    status: 400,
    exit: 2,
  },
  'file-missing': { message: 'there is no file or folder {path}', status: 400, exit: 2 },
  'file-forbidden': { message: 'the rights of this user do not allow to use {path}', status: 403, exit: 1 },
  'file-kind': { message: '{path} is not the kind of file that is needed', status: 400, exit: 2 },
  'file-content': { message: '{path} is not {expected}', status: 400, exit: 2 },
  interrupted: { message: 'interrupted by {signal}', status: 503, exit: 1 },
  internal: {
    message: 'an unforeseen fault: {what}',
    hint: 'KITH_LOG_LEVEL=debug prints where it came from; please report it',
    status: 500,
    exit: 1,
  },
} as const satisfies Record<string, FaultDefinition>;

export type FaultCode = keyof typeof FAULTS;

type Placeholders<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;
type Definition<C extends FaultCode> = (typeof FAULTS)[C];
type HintOf<C extends FaultCode> = Definition<C> extends { readonly hint: infer H extends string } ? H : '';
/** The parameters that a code's message and hint name. */
export type FaultParameters<C extends FaultCode> = Readonly<
  Record<Placeholders<Definition<C>['message']> | Placeholders<HintOf<C>>, string | number>
>;

const fill = (template: string, parameters: Readonly<Record<string, string | number>>): string =>
  template.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));

/** A catalogued fault. `cause` is kept for debugging but is not enumerable, so that logs do not print it. */
export class KithError<C extends FaultCode = FaultCode> extends Error {
  readonly code: C;
  readonly status: number;
  readonly exit: 1 | 2;
  readonly hint: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: C, parameters: FaultParameters<C>, options?: { cause?: unknown }) {
    const definition: FaultDefinition = FAULTS[code];
    super(fill(definition.message, parameters));
    this.name = 'KithError';
    this.code = code;
    this.status = definition.status;
    this.exit = definition.exit;
    this.hint = definition.hint === undefined ? undefined : fill(definition.hint, parameters);
    this.retryAfter = definition.retryAfter;
    if (options?.cause !== undefined) Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }

  /** A fault that came from another thread or process as plain data: same code, status and words. */
  static revive<C extends FaultCode>(sent: { code: C; message: string; hint?: string }): KithError<C> {
    const fault = new KithError(sent.code, {} as FaultParameters<C>);
    fault.message = sent.message;
    return Object.assign(fault, { hint: sent.hint });
  }

  toJSON(): { code: C; message: string; hint?: string } {
    return { code: this.code, message: this.message, ...(this.hint === undefined ? {} : { hint: this.hint }) };
  }
}
