-- What holds of every site: its readers get ten books, of their taste, and none that they have seen.
CREATE TEMPORARY TABLE page AS
SELECT a.id AS reader, a.taste, r.book, r.source FROM taste.asked a, taste.recommended(a.id) r;

SELECT taste.must(count(*) = 500, 'fifty readers got ' || count(*) || ' books, not 500') FROM page;
SELECT taste.must(count(*) = count(DISTINCT (reader, book)), 'a book is recommended twice') FROM page;
SELECT taste.must(bool_and(source = 'hybrid'), 'sources are ' || string_agg(DISTINCT source, ', ')) FROM page;
SELECT taste.must(count(*) = 0, count(*) || ' recommended books were seen, such as ' || min(book)) FROM page JOIN taste.seen USING (reader, book);
SELECT taste.must(count(*) >= 450, 'of 500 recommended books ' || count(*) || ' are of the taste of their reader')
FROM page p JOIN taste.book b ON b.id = p.book WHERE b.taste = p.taste;
