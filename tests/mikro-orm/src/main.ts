// npm start: the site at http://127.0.0.1:3000, or the port in PORT.
import { databaseUrl, settings } from './settings.js';
import { Site } from './site.js';

const site = await Site.start(databaseUrl(), settings(process.env), Number(process.env.PORT ?? 3000));
console.log(site.url);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void site.stop());
}
