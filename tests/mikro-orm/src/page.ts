import express, { Router } from 'express';
import { fileURLToPath } from 'node:url';
import type { Services } from './api.js';
import { html, type Html } from './html.js';
import type { Lista, Recomendacion } from './recomendacion.service.js';
import * as check from './validate.js';

/** The pages, made here; what their buttons do is in browser.ts, by the JSON interface. */
export function pages({ recomendaciones, lectores, sessions }: Services, openLogin: boolean): Router {
  const routes = Router();
  routes.get('/browser.js', (_, response) => {
    response.sendFile(fileURLToPath(new URL('./browser.js', import.meta.url)));
  });
  routes.use((_, response, next) => {
    response.set({
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "default-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
      'Referrer-Policy': 'same-origin',
    });
    next();
  });

  routes.get('/', async (request, response) => {
    const reader = sessions.readerOrNull(request);
    if (reader === null) {
      response.status(401).send(page('Entrar', openLogin ? enterForm : html`<p>Entra primero en el sitio.</p>`));
      return;
    }
    const list = await recomendaciones.recomendar(reader, 10);
    const favourites = await lectores.favoritos(reader);
    response.send(
      page(
        'Para ti',
        html`${recommendations(list)}
          <h2>Tus favoritos</h2>
          <ul id="favoritos">
            ${favourites.map(({ id, titulo }) => html`<li data-libro="${id}"><a href="/libros/${id}">${titulo}</a> <button data-do="quitar">Quitar</button></li>`)}
          </ul>`,
      ),
    );
  });

  routes.get('/libros/:libro', async (request, response) => {
    const id = check.id(request.params.libro, 'libro');
    const { libro, favorito, estrellas } = await lectores.book(sessions.reader(request), id);
    const stars = [1, 2, 3, 4, 5].map(
      (star) => html`<button data-do="estrellas" data-estrellas="${star}" aria-pressed="${String(star === estrellas)}">${'★'.repeat(star)}</button> `,
    );
    response.send(
      page(
        libro.titulo,
        html`<article data-libro="${id}">
            <p>${by(libro.autor?.nombre ?? null, libro.categoria?.nombre ?? null)}</p>
            <p><button data-do="${favorito ? 'quitar' : 'favorito'}">${favorito ? 'Quitar de favoritos' : '♡ Favorito'}</button></p>
            <p id="estrellas">${stars}</p>
          </article>
          <p><a id="volver" href="/">Volver a la lista</a></p>`,
      ),
    );
  });

  if (openLogin) {
    routes.post('/entrar', express.urlencoded({ extended: false, limit: '1kb' }), (request, response) => {
      sessions.begin(response, check.id(check.field(request.body, 'usuario'), 'usuario'));
      response.redirect(303, '/');
    });
  }
  return routes;
}

const enterForm = html`<form method="post" action="/entrar">
  <label>Lector <input name="usuario" inputmode="numeric" required></label> <button>Entrar</button>
</form>`;

function recommendations({ recomendaciones, metadata }: Lista): Html {
  return html`<ol id="recomendaciones" data-request="${metadata.requestId ?? ''}" data-algoritmo="${metadata.algoritmo}" data-cached="${String(metadata.cached)}">
    ${recomendaciones.map(recommendation)}
  </ol>`;
}

const recommendation = ({ libro, titulo, autor, categoria, razon, abierto }: Recomendacion): Html => html`
  <li data-libro="${libro}">
    <a class="libro" href="/libros/${libro}">${titulo}</a> ${abierto && html`<span class="abierto">abierto</span>`}
    <div>${by(autor, categoria)}</div>
    ${razon !== null && html`<div class="razon">${razon}</div>`}
    <button data-do="favorito">♡ Favorito</button> <button data-do="descartar">No me interesa</button>
  </li>`;

const by = (author: string | null, category: string | null): string => [author, category].filter(Boolean).join(' · ');

const page = (title: string, body: Html): string => html`<!doctype html>
<html lang="es">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
  body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #222; }
  li { margin: 0 0 1rem; }
  .libro { font-weight: 600; }
  .razon { color: #555; font-style: italic; }
  .abierto { font-size: .8rem; color: #fff; background: #777; border-radius: .5rem; padding: 0 .5rem; }
  button { font: inherit; border: 1px solid #bbb; border-radius: .3rem; background: #f6f6f6; cursor: pointer; }
  button[aria-pressed=true] { background: #ffd54a; }
</style>
<h1>${title}</h1>
${body}
<p id="error" role="alert"></p>
<script type="module" src="/browser.js"></script>
</html>`.text;
