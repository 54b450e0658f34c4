-- Word for the process that runs a turn, left by one that does not: the way that needs no Redis.
ALTER TABLE turns ADD COLUMN cancel_requested boolean NOT NULL DEFAULT false;
