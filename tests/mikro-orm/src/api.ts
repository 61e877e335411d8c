import express, { Router } from 'express';
import type { ReaderCache } from './cache.js';
import type { LectorService } from './lector.service.js';
import type { RecomendacionService } from './recomendacion.service.js';
import type { Sessions } from './session.js';
import * as check from './validate.js';

export interface Services {
  recomendaciones: RecomendacionService;
  lectores: LectorService;
  lists: ReaderCache<unknown>;
  sessions: Sessions;
}

/** The JSON interface. What changes something is for the reader of the session only. */
export function api({ recomendaciones, lectores, lists, sessions }: Services): Router {
  const routes = Router();
  // A form of another site cannot send JSON.
  routes.use(express.json({ limit: '10kb' }));

  routes.get('/recomendaciones', async (request, response) => {
    const reader = sessions.reader(request);
    response.json(await recomendaciones.recomendar(reader, check.limit(request.query.limite)));
  });

  routes.delete('/recomendaciones/cache', (request, response) => {
    lists.drop(sessions.reader(request));
    response.status(204).end();
  });

  for (const event of ['click', 'dismiss'] as const) {
    routes.post(`/recomendaciones/:requestId/${event}`, async (request, response) => {
      const reader = sessions.reader(request);
      const requestId = check.uuid(request.params.requestId, 'requestId');
      const libro = check.id(check.field(request.body, 'libro'), 'libro');
      response.json({ nuevo: await recomendaciones.responder(reader, requestId, libro, event) });
    });
  }

  routes.get('/favoritos', async (request, response) => {
    const favoritos = await lectores.favoritos(sessions.reader(request));
    response.json({ favoritos: favoritos.map(({ id, titulo }) => ({ libro: String(id), titulo })) });
  });

  routes.put('/favoritos/:libro', async (request, response) => {
    await lectores.addFavorito(sessions.reader(request), check.id(request.params.libro, 'libro'));
    response.status(204).end();
  });

  routes.delete('/favoritos/:libro', async (request, response) => {
    await lectores.removeFavorito(sessions.reader(request), check.id(request.params.libro, 'libro'));
    response.status(204).end();
  });

  routes.put('/resenas/:libro', async (request, response) => {
    const reader = sessions.reader(request);
    const stars = check.wholeNumber(check.field(request.body, 'estrellas'), 'estrellas', 1, 5);
    await lectores.review(reader, check.id(request.params.libro, 'libro'), stars);
    response.status(204).end();
  });

  routes.delete('/resenas/:libro', async (request, response) => {
    await lectores.removeReview(sessions.reader(request), check.id(request.params.libro, 'libro'));
    response.status(204).end();
  });

  return routes;
}
