-- Instances: agents that were made on first use by a blueprint's credential.
-- They are rows of registry_objects like every agent; here is what they were
-- made from. Rows are never deleted, so that a name and a subject mean the same
-- agent for ever; live is false while its object is deleted. fillfactor: the
-- time of use is written often, and no index holds it.
CREATE TABLE tokenry.instances (
    agent_id   text        PRIMARY KEY REFERENCES tokenry.registry_objects (id),
    blueprint  text        COLLATE "C" NOT NULL,
    credential text        COLLATE "C" NOT NULL,
    issuer     text        COLLATE "C" NOT NULL,
    subject    text        COLLATE "C" NOT NULL,
    name       text        COLLATE "C" NOT NULL UNIQUE,
    live       boolean     NOT NULL DEFAULT true,
    last_used  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, subject)
) WITH (fillfactor = 80);

CREATE INDEX instances_live ON tokenry.instances (blueprint, credential) WHERE live;

CREATE TRIGGER for_ever BEFORE UPDATE OF agent_id, blueprint, issuer, subject, name OR DELETE OR TRUNCATE ON tokenry.instances
    FOR EACH STATEMENT EXECUTE FUNCTION tokenry.refuse_change();

-- How many live instances a credential has: what maxInstances is held against.
CREATE TABLE tokenry.instance_counts (
    blueprint  text    COLLATE "C" NOT NULL,
    credential text    COLLATE "C" NOT NULL,
    n          integer NOT NULL CHECK (n >= 0),
    PRIMARY KEY (blueprint, credential)
);

-- The agents of a blueprint, in the order of their names.
CREATE INDEX registry_objects_blueprint ON tokenry.registry_objects ((spec ->> 'blueprint'), name)
    WHERE kind = 'Agent' AND deleted_at IS NULL;

-- Explaining a decision reads all rules and a few agents as they were; of
-- agents there may be many more than of rules.
CREATE INDEX registry_history_rules ON tokenry.registry_history (id, change) WHERE kind <> 'Agent';
CREATE INDEX registry_history_agents ON tokenry.registry_history (name) WHERE kind = 'Agent';
