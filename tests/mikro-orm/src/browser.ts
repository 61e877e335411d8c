// What the buttons and links of the pages do. It runs in the reader's browser.
export {};

const call = (method: string, path: string, body?: object): Promise<Response> =>
  fetch(`/api/${path}`, {
    method,
    // A click's call outlives the page that it leaves.
    keepalive: true,
    ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
  });

const request = document.getElementById('recomendaciones')?.dataset.request;
const bookOf = (element: Element): string | undefined => element.closest<HTMLElement>('[data-libro]')?.dataset.libro;

function deed(button: HTMLButtonElement, book: string): Promise<Response> | undefined {
  switch (button.dataset.do) {
    case 'favorito':
      return call('PUT', `favoritos/${book}`);
    case 'quitar':
      return call('DELETE', `favoritos/${book}`);
    case 'estrellas':
      return call('PUT', `resenas/${book}`, { estrellas: Number(button.dataset.estrellas) });
    case 'descartar':
      return request ? call('POST', `recomendaciones/${request}/dismiss`, { libro: book }) : undefined;
    default:
      return undefined;
  }
}

document.addEventListener('click', async (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const link = target?.closest('a.libro');
  const button = target?.closest('button');
  const book = target && bookOf(target);
  if (link && request && book) {
    // The browser goes to the book meanwhile.
    void call('POST', `recomendaciones/${request}/click`, { libro: book });
  } else if (button && book) {
    button.disabled = true;
    const answer = await deed(button, book);
    if (answer && !answer.ok) {
      button.disabled = false;
      document.getElementById('error')!.textContent = `No se ha podido guardar (${answer.status}).`;
      return;
    }
    // Favourites and reviews change the whole list, so it is made again.
    location.reload();
  }
});
