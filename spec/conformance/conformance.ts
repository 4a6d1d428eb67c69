/** What `npm run conformance` loads: the suite against the URL in `CONFORMANCE_URL`. */
import { conformanceSuite } from './suite.js';

conformanceSuite({ url: () => process.env.CONFORMANCE_URL ?? '' });
