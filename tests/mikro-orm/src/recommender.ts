import type { SqlEntityManager } from '@mikro-orm/postgresql';

export type Source = 'hybrid' | 'fold_in' | 'content' | 'popularity' | 'rules';

export interface Score {
  itemId: bigint;
  score: number;
  collaborative: number | null;
  contentBased: number | null;
  popularity: number | null;
  source: Source;
  modelVersion: bigint | null;
}

export interface Training {
  modelVersion: bigint | null;
  promoted: boolean;
  reason: string;
  users: number;
  items: number;
  interactions: number;
}

/** A row from the driver, which gives every bigint as a string so that no digit is lost. */
interface ScoreRow {
  item_id: string;
  score: number;
  collaborative: number | null;
  content_based: number | null;
  popularity: number | null;
  source: Source;
  model_version: string | null;
}

interface TrainingRow {
  model_version: string | null;
  promoted: boolean;
  reason: string;
  users: string;
  items: string;
  interactions: string;
}

/**
 * MikroORM writes a JavaScript array as a list, so `reco_score(?, ?)` with [1, [2, 3]] would become
 * reco_score(1, 2, 3). An array literal stays one parameter, and the empty array works too.
 */
export const arrayLiteral = (ids: readonly bigint[]): string => `{${ids.join(',')}}`;

const toBigInt = (value: string | null): bigint | null => (value === null ? null : BigInt(value));

/**
 * Goes through em.execute, which runs inside the transaction of `em`. em.getConnection().execute would take
 * another connection of the pool, which does not see what the transaction has written.
 */
export class Recommender {
  constructor(private readonly em: SqlEntityManager) {}

  async score(userId: bigint, itemIds: readonly bigint[]): Promise<Score[]> {
    const rows = await this.em.execute<ScoreRow[]>('select * from reco_score(?, ?)', [userId, arrayLiteral(itemIds)]);
    return rows.map((row) => ({
      itemId: BigInt(row.item_id),
      score: row.score,
      collaborative: row.collaborative,
      contentBased: row.content_based,
      popularity: row.popularity,
      source: row.source,
      modelVersion: toBigInt(row.model_version),
    }));
  }

  async scores(userId: bigint, itemIds: readonly bigint[]): Promise<number[]> {
    const [row] = await this.em.execute<{ scores: number[] }[]>('select reco_scores(?, ?) as scores', [
      userId,
      arrayLiteral(itemIds),
    ]);
    return row!.scores;
  }

  async train(options: Record<string, unknown> = {}): Promise<Training> {
    const [row] = await this.em.execute<TrainingRow[]>('select * from reco_train(?)', [JSON.stringify(options)]);
    return {
      modelVersion: toBigInt(row!.model_version),
      promoted: row!.promoted,
      reason: row!.reason,
      users: Number(row!.users),
      items: Number(row!.items),
      interactions: Number(row!.interactions),
    };
  }
}
