import { describeClients } from './describe-clients.js';

describeClients('Go');
