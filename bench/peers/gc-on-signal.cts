/**
 * Loaded before each Node.js server of a bench: SIGUSR2 collects garbage, so that the memory compared does not include
 * any.
 */
const { setFlagsFromString } = require('node:v8') as typeof import('node:v8');
const { runInNewContext } = require('node:vm') as typeof import('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
process.on('SIGUSR2', () => collect());
