-- One order for all lines: a number is given while the writer holds the one lock on writing.
CREATE TABLE IF NOT EXISTS lines (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    what INTEGER NOT NULL,
    member INTEGER NOT NULL,
    name TEXT NOT NULL,
    door INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    to_member INTEGER,
    to_name TEXT,
    text TEXT,
    ticket TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS tickets ON lines (member, ticket) WHERE ticket IS NOT NULL;

CREATE TABLE IF NOT EXISTS members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    door INTEGER NOT NULL,
    -- The run of a worker that has the connection.
    worker INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    since INTEGER NOT NULL,
    address TEXT UNIQUE,
    secret TEXT,
    connection INTEGER NOT NULL DEFAULT 0,
    -- Milliseconds of the monotonic clock: the last word of a member by datagram, and since when a page is gone.
    heard INTEGER NOT NULL,
    away INTEGER
) STRICT;

-- When all that a member has said so far is forgiven, in microseconds of the monotonic clock; none: already.
CREATE TABLE IF NOT EXISTS pace (
    member INTEGER PRIMARY KEY,
    due INTEGER NOT NULL
) STRICT;

-- One row for each life of a worker; its lock on the byte of that number ends with it.
CREATE TABLE IF NOT EXISTS workers (
    id INTEGER PRIMARY KEY AUTOINCREMENT
) STRICT;

-- Up to which line the members by datagram were told.
CREATE TABLE IF NOT EXISTS post (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sent INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO post VALUES (1, 0);
