// The page in Chromium, as a reader uses it: what it shows, and what its links and buttons change, there and in the database.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { newDatabase, promote, running, until, type Database, type Running } from './testing.js';

const READER = 5;
// Nothing here needs the network beyond loopback.
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let database: Database;
let site: Running;
let browser: BrowserContext;
let page: Page;
let profile: string;

before(async () => {
  database = await newDatabase('sitio_pagina');
  site = await running(database);
  profile = await mkdtemp(join(tmpdir(), 'reco-chromium-'));
  browser = await chromium.launchPersistentContext(profile, { executablePath: process.env.RECO_CHROMIUM!, headless: true, args: FLAGS });
  page = await browser.newPage();
  page.setDefaultTimeout(20_000);
});

after(async () => {
  await browser?.close();
  await rm(profile, { recursive: true, force: true });
  await site?.site.stop();
  await database?.close();
});

const rows = async (sql: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => (await database.admin.query(sql, values)).rows;
const books = (): Promise<string[]> => page.locator('#recomendaciones li').evaluateAll((items) => items.map((item) => item.dataset.libro!));
const favourites = (): Promise<string[]> => page.locator('#favoritos li').evaluateAll((items) => items.map((item) => item.dataset.libro!));
const request = async (): Promise<string> => (await page.locator('#recomendaciones').getAttribute('data-request'))!;
const algorithm = (): Promise<string | null> => page.locator('#recomendaciones').getAttribute('data-algoritmo');

/** A button that changes something loads the page again. */
async function press(selector: string): Promise<void> {
  const loaded = page.waitForEvent('load');
  await page.locator(selector).click();
  await loaded;
}

test('a reader enters, and before there is a model the page shows what the rules say', async () => {
  await page.goto(site.site.url);
  await page.fill('input[name=usuario]', String(READER));
  await page.click('button');
  await page.waitForSelector('#recomendaciones');
  assert.equal((await books()).length, 10);
  assert.equal(await algorithm(), 'rules');
});

test('with a model it shows ten books, each with a reason, and they are logged as they stand there', async () => {
  await promote(database, site);
  await page.reload();
  assert.equal(await algorithm(), 'hybrid');
  const shown = await books();
  assert.equal(shown.length, 10);
  const reasons = await page.locator('#recomendaciones .razon').allTextContents();
  assert.equal(reasons.filter((reason) => reason.trim() !== '').length, 10);
  const logged = await rows('select item_id from reco.impression where request_id = $1 order by rank', await request());
  assert.deepEqual(logged.map(({ item_id }) => item_id), shown);
});

test('a click opens the book, is counted, and marks the book in the list', async () => {
  const shown = await books();
  const id = await request();
  await page.locator('#recomendaciones a.libro').nth(2).click();
  await page.waitForURL(`**/libros/${shown[2]}`);
  assert.equal(await page.locator('h1').textContent(), `Libro ${shown[2]}`);
  await until('the click is counted', async () => (await rows('select from reco.feedback where request_id = $1', id)).length > 0);
  assert.deepEqual(await rows('select item_id, user_id, event from reco.feedback where request_id = $1', id), [
    { item_id: shown[2], user_id: String(READER), event: 'click' },
  ]);
  await page.click('#volver');
  await page.waitForSelector('#recomendaciones');
  assert.deepEqual(await books(), shown, 'the list is the same');
  assert.deepEqual(await page.locator('li:has(.abierto)').evaluateAll((items) => items.map((item) => item.dataset.libro)), [shown[2]]);
});

test('a favourite leaves the list and stands among the favourites, and the list is another', async () => {
  const before = await books();
  const id = await request();
  await press('#recomendaciones li:nth-child(1) [data-do=favorito]');
  assert.equal((await favourites())[0], before[0]);
  assert.ok(!(await books()).includes(before[0]!));
  assert.equal((await books()).length, 10);
  assert.notEqual(await request(), id);
  assert.equal(await algorithm(), 'fold_in');
  assert.equal((await rows('select from favorito where usuario_id = $1 and libro_id = $2', READER, before[0])).length, 1);

  await press(`#favoritos li[data-libro="${before[0]}"] [data-do=quitar]`);
  assert.ok(!(await favourites()).includes(before[0]!));
  assert.ok((await books()).includes(before[0]!));
  assert.equal((await rows('select from favorito where usuario_id = $1 and libro_id = $2', READER, before[0])).length, 0);
});

test('what does not interest leaves the list', async () => {
  const before = await books();
  await press('#recomendaciones li:nth-child(2) [data-do=descartar]');
  const now = await books();
  assert.equal(now.length, 10);
  assert.ok(!now.includes(before[1]!));
  assert.deepEqual(await rows("select item_id from reco.feedback where user_id = $1 and event = 'dismiss'", READER), [{ item_id: before[1] }]);
});

test('stars on the page of a book are a review, and can be changed', async () => {
  const [book] = await books();
  await page.goto(`${site.site.url}/libros/${book}`);
  for (const stars of [2, 5]) {
    await press(`[data-estrellas="${stars}"]`);
    assert.equal(await page.locator('[aria-pressed=true]').getAttribute('data-estrellas'), String(stars));
    assert.deepEqual(await rows('select estrellas from resena where usuario_id = $1 and libro_id = $2', READER, book), [{ estrellas: stars }]);
  }
  await page.click('#volver');
  await page.waitForSelector('#recomendaciones');
  assert.ok(!(await books()).includes(book!), 'it has been read');
});

test('a title is text, whatever it contains', async () => {
  const title = `<img src=x onerror="document.title='ran'"> & «"'»`;
  const [book] = await books();
  await rows('update libro set titulo = $1 where id = $2', title, book);
  // Favourites make the list anew, with the new title.
  await press('#recomendaciones li:nth-child(3) [data-do=favorito]');
  assert.equal(await page.locator(`li[data-libro="${book}"] a.libro`).textContent(), title);
  await page.goto(`${site.site.url}/libros/${book}`);
  assert.equal(await page.locator('h1').textContent(), title);
  assert.equal(await page.title(), title);
  assert.equal(await page.locator('img').count(), 0);
});

test('while reco fails, the page goes on with the rules, and says what it could not save', async () => {
  await page.goto(site.site.url);
  await database.admin.query('drop extension reco cascade');
  await page.locator('#recomendaciones li:nth-child(1) [data-do=descartar]').click();
  await page.waitForFunction(() => document.getElementById('error')!.textContent !== '');
  assert.match((await page.locator('#error').textContent())!, /503/);
  await press('#recomendaciones li:nth-child(1) [data-do=favorito]');
  assert.equal(await algorithm(), 'rules');
  assert.equal((await books()).length, 10);
  await press('#favoritos li:nth-child(1) [data-do=quitar]');
  assert.deepEqual(site.logged.filter(({ event }) => event.startsWith('GET')), []);
});
