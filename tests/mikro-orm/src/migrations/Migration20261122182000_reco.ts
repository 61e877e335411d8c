import { Migration } from '@mikro-orm/migrations';

export class Migration20261122182000_reco extends Migration {
  override async up(): Promise<void> {
    this.addSql('create extension if not exists reco;');
  }

  override async down(): Promise<void> {
    this.addSql('drop extension if exists reco;');
  }
}
