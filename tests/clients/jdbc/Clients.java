import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/** pgjdbc: each type that Java sends, as parameters and as literals, gives the same. */
public class Clients {
    /** From the fifth execution on, the driver prepares a statement on the server. */
    static final int EXECUTIONS = 12;

    static int passed = 0;

    interface Check {
        void run(Connection connection) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        test("every function answers", Clients::everyFunction);
        test("counts and shares of each type", Clients::numberTypes);
        test("an empty array and a long id", Clients::longIds);
        test("an error has its SQLSTATE, and the connection goes on", Clients::errors);
        test("a prepared statement gives the same each time", Clients::prepared);
        test("a transaction sees its own favourites, and a rollback takes them back", Clients::transaction);
        test("a read-only transaction answers and does not train", Clients::readOnly);
        test("LISTEN hears of a training", Clients::listen);
        test("as the reference shows it", Clients::reference);
        System.out.println(passed + " passed, 0 failed");
    }

    static Connection connect(String option, String value) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty(option, value);
        return DriverManager.getConnection(
            "jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), properties);
    }

    /** Each check on a connection that sends what has a type, and on one whose texts have none. */
    static void test(String name, Check check) throws Exception {
        for (String type : List.of("varchar", "unspecified")) {
            try (Connection connection = connect("stringtype", type)) {
                check.run(connection);
            } catch (Throwable error) {
                throw new AssertionError("JDBC: " + name + " (stringtype=" + type + ")", error);
            }
        }
        System.out.println("  JDBC: " + name);
        passed += 1;
    }

    static List<List<String>> rows(ResultSet result) throws SQLException {
        ResultSetMetaData columns = result.getMetaData();
        List<List<String>> rows = new ArrayList<>();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= columns.getColumnCount(); i += 1) {
                Object value = result.getObject(i);
                row.add(value instanceof Array array ? List.of((Object[]) array.getArray()).toString() : Objects.toString(value));
            }
            rows.add(row);
        }
        return rows;
    }

    /** A call with its values as parameters. */
    static List<List<String>> ask(Connection connection, String call, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(call)) {
            for (int i = 0; i < values.length; i += 1) {
                statement.setObject(i + 1, values[i]);
            }
            return rows(statement.executeQuery());
        }
    }

    /** The same call with its values written into it. */
    static List<List<String>> literal(Connection connection, String call, Object... values) throws SQLException {
        String text = call;
        for (Object value : values) {
            String written = value instanceof Array array ? "'" + array + "'" : value.toString();
            text = text.replaceFirst("\\?", written);
        }
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(text));
        }
    }

    static void same(Connection connection, String call, Object... values) throws SQLException {
        List<List<String>> wanted = literal(connection, call, values);
        check(!wanted.isEmpty(), call + " gives nothing");
        List<List<String>> found = ask(connection, call, values);
        check(found.equals(wanted), call + ": " + found + " and not " + wanted);
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    static void fails(String state, Check check, Connection connection) throws Exception {
        try {
            check.run(connection);
        } catch (SQLException error) {
            check(state.equals(error.getSQLState()), error.getSQLState() + ": " + error.getMessage());
            return;
        }
        throw new AssertionError("this should fail with " + state);
    }

    static Array ids(Connection connection, Object... ids) throws SQLException {
        return connection.createArrayOf("bigint", ids);
    }

    static void pages(Connection connection) throws SQLException {
        Array items = ids(connection, 5L, 3L, 5L, 888_888L, 1L);
        same(connection, "SELECT * FROM reco_score(?, ?)", 7L, items);
        same(connection, "SELECT reco_scores(?, ?)", 7L, items);
        same(connection, "SELECT * FROM reco_recommend(?, ?, exclude => ?, diversity => ?, explore => ?)", 7L, 4, items, 0.5, 0.5);
        same(connection, "SELECT * FROM reco_recommend(?, ?, among => ?)", 7L, 4, items);
        same(connection, "SELECT * FROM reco_recommend_for(?, ?)", items, 4);
        same(connection, "SELECT * FROM reco_explain(?, ?)", 7L, 7L);
        same(connection, "SELECT * FROM reco_predict_rating(?, ?)", 7L, items);
        same(connection, "SELECT * FROM reco_similar(?, ?)", 7L, 4);
        // Without its score, which changes with the time of the transaction.
        same(connection, "SELECT rank, item_id, interactions FROM reco_trending(?, '10 years')", 4);
    }

    static void everyFunction(Connection connection) throws SQLException {
        pages(connection);
        Array small = connection.createArrayOf("integer", new Integer[] {5, 3});
        same(connection, "SELECT * FROM reco_score(?, ?)", 7, small);
        same(connection, "SELECT * FROM reco_score(?::bigint, ?::bigint[])", 7, small);
        List<List<String>> wanted = literal(connection, "SELECT * FROM reco_score(7, '{5,3}')");
        check(ask(connection, "SELECT * FROM reco_score(?, ?)", (short) 7, new long[] {5, 3}).equals(wanted), "long[]");
        check(ask(connection, "SELECT * FROM reco_score(?::bigint, ?::bigint[])", "7", "{5,3}").equals(wanted), "text with a cast");
    }

    static void numberTypes(Connection connection) throws Exception {
        String call = "SELECT * FROM reco_recommend(?, ?, diversity => ?, explore => ?)";
        for (Object n : List.of((short) 5, 5, 5L, 5f, 5.0, new BigDecimal(5))) {
            for (Object share : List.of(0, 1L, 0.25f, 0.25, new BigDecimal("0.25"))) {
                same(connection, call, 7L, n, share, share);
            }
        }
        fails("22023", c -> ask(c, "SELECT * FROM reco_recommend(?, ?)", 7L, 2.5), connection);
    }

    static void longIds(Connection connection) throws SQLException {
        check(ask(connection, "SELECT * FROM reco_score(?, ?)", 7L, ids(connection)).isEmpty(), "rows for an empty array");
        // Above what a double holds.
        long id = 9_007_199_254_740_993L;
        List<List<String>> found = ask(connection, "SELECT item_id FROM reco_score(?, ?)", id, ids(connection, id));
        check(found.equals(List.of(List.of(Long.toString(id)))), found.toString());
    }

    static void errors(Connection connection) throws Exception {
        fails("22023", c -> ask(c, "SELECT * FROM reco_recommend(?, ?)", 7L, 0), connection);
        fails("22004", c -> ask(c, "SELECT reco_scores(?, ?)", 7L, ids(c, 1L, null)), connection);
        fails("42704", c -> ask(c, "SELECT reco_activate(?)", 77), connection);
        same(connection, "SELECT * FROM reco_score(?, ?)", 7L, ids(connection, 1L));
    }

    static void prepared(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM reco_recommend(?, ?, exclude => ?)")) {
            for (long i = 0; i < EXECUTIONS; i += 1) {
                Array items = ids(connection, i + 1, 3L);
                statement.setLong(1, 7 + i);
                statement.setInt(2, 4);
                statement.setArray(3, items);
                List<List<String>> found = rows(statement.executeQuery());
                List<List<String>> wanted = literal(connection, "SELECT * FROM reco_recommend(?, ?, exclude => ?)", 7 + i, 4, items);
                check(found.equals(wanted), found + " and not " + wanted);
            }
        }
    }

    static String source(Connection connection) throws SQLException {
        return ask(connection, "SELECT source FROM reco_score(?, ?)", 900_007L, ids(connection, 5L)).get(0).get(0);
    }

    static void transaction(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        check(source(connection).equals("content"), "the reader is not new");
        try (PreparedStatement statement = connection.prepareStatement(
                "INSERT INTO favorito (usuario_id, libro_id, fecha_agregado) SELECT ?, libro_id, now() FROM resena"
                    + " WHERE estrellas = 5 GROUP BY 2 ORDER BY count(*) DESC LIMIT 3")) {
            statement.setLong(1, 900_007L);
            statement.executeUpdate();
        }
        check(source(connection).equals("fold_in"), "the favourites do not count");
        connection.rollback();
        check(source(connection).equals("content"), "the favourites outlive the rollback");
        connection.rollback();
    }

    static void readOnly(Connection connection) throws Exception {
        connection.setReadOnly(true);
        connection.setAutoCommit(false);
        pages(connection);
        fails("25006", c -> ask(c, "SELECT * FROM reco_train()"), connection);
        connection.rollback();
    }

    static void listen(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement(); Connection other = connect("ApplicationName", "trainer")) {
            statement.execute("LISTEN reco");
            ask(other, "SELECT promoted FROM reco_train(?::jsonb)", "{\"trees\": 0}");
            PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(10_000);
            check(heard != null && heard[0].getParameter().contains("\"train\""), "no notification");
        }
    }

    static void reference(Connection connection) throws SQLException {
        long userId = 7;
        Long[] itemIds = {5L, 3L};
        PreparedStatement statement = connection.prepareStatement("SELECT * FROM reco_score(?, ?)");
        statement.setLong(1, userId);
        statement.setArray(2, connection.createArrayOf("bigint", itemIds));
        ResultSet rows = statement.executeQuery();
        check(rows.next() && rows.getLong("item_id") == 5, "the first row");
    }
}
