import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { DomainStats } from '../../gallery/domain.js';
import { allowDomain, ofAllowedDomain, requestAuthor } from '../authorize.js';
import { DOMAIN_PATH, DOMAIN_QUERY, type Operation, PAGE, type Parameter } from '../operation.js';
import { type Fields, jsonFields } from '../photo-request.js';
import { optionalText, pageRequest, requiredDomain, requiredMode, requiredText } from '../request-field.js';
import type { ServiceState } from '../service-state.js';

const ID: Parameter = {
  name: 'id',
  in: 'path',
  description: "the person's id",
  required: true,
  schema: { type: 'string' },
};
const PERSON: Parameter = { ...ID, name: 'person', in: 'query' };

const read = (
  id: string,
  summary: string,
  answer: Operation['answer'],
  parameters?: readonly Parameter[],
): Operation => ({
  id,
  summary,
  scope: 'recognise',
  answer,
  ...(parameters === undefined ? {} : { parameters }),
});

const DOMAINS = read('domains', 'The domains, each with its mode and size.', 'Domains');
const DOMAIN = read('domain', 'One domain.', 'Domain', [DOMAIN_PATH]);
const MODE = read('mode', 'What answers the searches of a domain, and why.', 'DomainMode', [DOMAIN_PATH]);
const SET_MODE: Operation = {
  id: 'setMode',
  summary: 'Set what answers the searches of a domain; pgvector passes the same gate as a cutover.',
  scope: 'admin',
  parameters: [DOMAIN_PATH],
  body: 'ModeRequest',
  answer: 'DomainMode',
};
const AUDIT: Operation = {
  id: 'audit',
  summary: 'Who changed what, and why: newest first.',
  scope: 'admin',
  parameters: [{ ...DOMAIN_QUERY, description: 'only what was done to this domain', required: false }, ...PAGE],
  answer: 'Audit',
};
const SHADOW = read('shadow', 'How the two searches of a domain agree.', 'ShadowReport', [DOMAIN_PATH]);
const STATS = read('stats', 'Persons and faces of every domain.', 'Stats');
const PERSONS = read('persons', 'The persons of a domain, by name.', 'Persons', [DOMAIN_QUERY, ...PAGE]);
const PERSON_BY_ID = read('person', 'One person.', 'Person', [ID]);
const FACES = read('faces', 'The enrolled faces of a person, without their embeddings.', 'Faces', [PERSON, ...PAGE]);

const asDomain = ({ domain, mode, space, persons, faces }: DomainStats): Omit<DomainStats, 'facesPerPerson'> => ({
  domain,
  mode,
  space,
  persons,
  faces,
});

const pathOf = (request: { params: unknown }): Fields => request.params as Fields;

const domainOf = (request: FastifyRequest): string => allowDomain(request, requiredDomain(pathOf(request)));

/** Domains, their modes and comparisons. */
export function domainRoutes(app: FastifyInstance, state: ServiceState): void {
  app.get('/domains', { config: { operation: DOMAINS } }, async (request) => {
    const { domains } = await state.services.recognition.stats({ signal: request.cancel });
    return { items: ofAllowedDomain(request, domains).map(asDomain), next: null };
  });
  app.get('/domains/:domain', { config: { operation: DOMAIN } }, async (request) => {
    const domain = domainOf(request);
    const { domains } = await state.services.recognition.stats({ domain, signal: request.cancel });
    return domains.map(asDomain)[0];
  });
  app.get('/domains/:domain/mode', { config: { operation: MODE } }, async (request) =>
    state.services.recognition.modes.of(domainOf(request), { signal: request.cancel }),
  );
  app.put('/domains/:domain/mode', { config: { operation: SET_MODE } }, async (request) => {
    const domain = domainOf(request);
    const fields = jsonFields(request);
    const author = requestAuthor(request, optionalText(fields, 'reason'));
    return state.services.recognition.modes.set(domain, requiredMode(fields), author, { signal: request.cancel });
  });
  app.get('/domains/:domain/shadow', { config: { operation: SHADOW } }, async (request) =>
    state.services.recognition.shadow.report(domainOf(request), { signal: request.cancel }),
  );
  app.get('/stats', { config: { operation: STATS } }, async (request) => {
    const { domains } = await state.services.recognition.stats({ signal: request.cancel });
    return { domains: ofAllowedDomain(request, domains) };
  });
}

/** The audit; a key of one domain reads that domain's. */
export function auditRoutes(app: FastifyInstance, state: ServiceState): void {
  app.get('/audit', { config: { operation: AUDIT } }, async (request) => {
    const fields = request.query as Fields;
    const asked = optionalText(fields, 'domain');
    const domain = asked === undefined ? request.principal?.domain : allowDomain(request, asked);
    const gallery = await state.services.gallery();
    const about = domain == null ? {} : { domain };
    return gallery.audit({ ...pageRequest(fields), ...about }, { signal: request.cancel });
  });
}

/** Persons and their faces. */
export function personRoutes(app: FastifyInstance, state: ServiceState): void {
  app.get('/persons', { config: { operation: PERSONS } }, async (request) => {
    const fields = request.query as Fields;
    const gallery = await state.services.gallery();
    const domain = allowDomain(request, requiredDomain(fields));
    return gallery.persons(domain, pageRequest(fields), { signal: request.cancel });
  });
  app.get('/persons/:id', { config: { operation: PERSON_BY_ID } }, async (request) => {
    const gallery = await state.services.gallery();
    const person = await gallery.person(requiredText(pathOf(request), 'id', "the person's id"), {
      signal: request.cancel,
    });
    allowDomain(request, person.domain);
    return person;
  });
  app.get('/faces', { config: { operation: FACES } }, async (request) => {
    const fields = request.query as Fields;
    const gallery = await state.services.gallery();
    const person = requiredText(fields, 'person', "the person's id");
    if (request.principal?.domain != null)
      allowDomain(request, (await gallery.person(person, { signal: request.cancel })).domain);
    return gallery.faces(person, pageRequest(fields), { signal: request.cancel });
  });
}
