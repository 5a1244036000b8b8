-- A vector of more than 500 dimensions would lie outside of its row, and comparing it would cost a second
-- look-up. Rows written before stay as they are. Arrays have this already: see 0002_vectors.sql.
alter table memfleet.vectors set (toast_tuple_target = 8160);
