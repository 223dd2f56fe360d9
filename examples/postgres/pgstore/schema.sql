-- What was handled, by whom. The primary key does the work: of two transactions that
-- insert one id, the second waits for the first, and inserts only if that rolls back.
CREATE TABLE IF NOT EXISTS handled_events (
    consumer   text        NOT NULL,
    id         text        NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, id)
);

-- For Forget. Rows come in the order of time, so that a few pages tell it all.
CREATE INDEX IF NOT EXISTS handled_events_handled_at ON handled_events USING brin (handled_at);
