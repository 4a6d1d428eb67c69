-- The transactional outbox: what hub_publish writes becomes a message if, and only if, its transaction commits.

CREATE TABLE hub.outbox (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  data jsonb NOT NULL,
  -- The application's own name for the message, unique as long as the row is kept.
  id text UNIQUE,
  created timestamptz NOT NULL DEFAULT now(),
  -- Given by the connector in the order in which it saw the rows; the hub takes each position once.
  position bigint,
  published timestamptz,
  -- Why the hub refused it. Such a row is set aside; see docs/integrations/postgresql.md.
  refused text
);

CREATE INDEX outbox_new ON hub.outbox (n) WHERE position IS NULL;
CREATE INDEX outbox_pending ON hub.outbox (position)
  WHERE position IS NOT NULL AND published IS NULL AND refused IS NULL;
CREATE INDEX outbox_published ON hub.outbox (published) WHERE published IS NOT NULL;

-- The last position that was given. One row.
CREATE TABLE hub.outbox_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  position bigint NOT NULL DEFAULT 0
);
INSERT INTO hub.outbox_state DEFAULT VALUES;

-- Writes a message into the outbox. The same id again with the same topic and data does nothing; with others it fails.
-- SECURITY DEFINER: applications need no right but EXECUTE, which has to be granted.
CREATE FUNCTION public.hub_publish(topic text, data jsonb, id text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known record;
BEGIN
  IF hub_publish.topic IS NULL OR hub_publish.topic !~ '^[a-z][a-z0-9_-]{0,31}:[A-Za-z0-9._/-]{1,128}$' THEN
    RAISE EXCEPTION 'topic: "%" is not a topic; a topic is stream:key', hub_publish.topic
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF hub_publish.data IS NULL THEN
    RAISE EXCEPTION 'data: is missing; JSON null is ''null''::jsonb' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO hub.outbox AS o (topic, data, id)
    VALUES (hub_publish.topic, hub_publish.data, hub_publish.id)
    ON CONFLICT ON CONSTRAINT outbox_id_key DO NOTHING;
  IF NOT FOUND THEN
    SELECT o.topic, o.data INTO known FROM hub.outbox o WHERE o.id = hub_publish.id;
    IF FOUND AND (known.topic, known.data) IS DISTINCT FROM (hub_publish.topic, hub_publish.data) THEN
      RAISE EXCEPTION 'id: "%" was used for another message', hub_publish.id USING ERRCODE = 'unique_violation';
    END IF;
    RETURN;
  END IF;
  NOTIFY hub_outbox;
END
$$;

REVOKE EXECUTE ON FUNCTION public.hub_publish FROM PUBLIC;
