import { Migration } from '@mikro-orm/migrations';

/** A reader reviews a book once; and who keeps lists for readers hears on the channel `lectores` whose rows changed. */
export class Migration20261201050000_lectores extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table "resena" add constraint "resena_usuario_id_libro_id_unique" unique ("usuario_id", "libro_id");');
    this.addSql(`create function "avisar_lector"() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    perform pg_notify('lectores', old.usuario_id::text);
  end if;
  if tg_op <> 'DELETE' then
    perform pg_notify('lectores', new.usuario_id::text);
  end if;
  return null;
end $$;`);
    for (const table of ['favorito', 'resena']) {
      this.addSql(`create trigger "avisar_lector" after insert or update or delete on "${table}" for each row execute function "avisar_lector"();`);
    }
  }

  override async down(): Promise<void> {
    for (const table of ['favorito', 'resena']) {
      this.addSql(`drop trigger "avisar_lector" on "${table}";`);
    }
    this.addSql('drop function "avisar_lector"();');
    this.addSql('alter table "resena" drop constraint "resena_usuario_id_libro_id_unique";');
  }
}
