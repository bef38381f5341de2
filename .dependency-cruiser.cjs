// Data flows photo → face → embedding → match: a room may import the rooms before it, never the reverse.
const may = {
  photo: [],
  face: ['photo'],
  embedding: [],
  inference: ['photo', 'face', 'embedding'],
  datastore: ['embedding'],
  gallery: ['embedding'],
  recognition: ['photo', 'face', 'embedding', 'inference', 'datastore', 'gallery'],
  migration: ['embedding', 'datastore', 'gallery'],
  ops: ['photo', 'face', 'embedding', 'inference', 'datastore', 'gallery', 'recognition', 'migration'],
  server: ['photo', 'face', 'embedding', 'inference', 'datastore', 'gallery', 'recognition', 'migration', 'ops'],
  cli: ['photo', 'face', 'embedding', 'inference', 'datastore', 'gallery', 'recognition', 'migration', 'ops', 'server'],
  config: [],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['^src/index\\.ts$', '-worker\\.ts$', '\\.d\\.ts$'] },
      to: {},
    },
    ...Object.entries(may).map(([room, rooms]) => ({
      name: `${room}-imports-earlier-rooms-only`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, 'config', ...rooms].join('|')})/|^src/errors\\.ts$` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
