-- Since when the result of a credential's checks is the same. Never edit this file once it shipped.
ALTER TABLE credentials ADD COLUMN check_since INTEGER;
UPDATE credentials SET check_since = checked_at;
