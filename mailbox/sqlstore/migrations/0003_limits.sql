CREATE TABLE mailtether_logs (
    tenant   {text} NOT NULL,
    kind     {text} NOT NULL,
    name     {text} NOT NULL,
    version  BIGINT NOT NULL,
    document {bytes},
    used_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name)
);

CREATE INDEX mailtether_logs_used ON mailtether_logs (used_at);

CREATE TABLE mailtether_log_entries (
    tenant     {text}  NOT NULL,
    kind       {text}  NOT NULL,
    name       {text}  NOT NULL,
    key        {bytes} NOT NULL,
    at         BIGINT  NOT NULL,
    recipients BIGINT  NOT NULL,
    settled    BIGINT  NOT NULL,
    PRIMARY KEY (tenant, kind, name, key)
) {clustered};

CREATE INDEX mailtether_log_entries_at ON mailtether_log_entries (tenant, kind, name, at, recipients, key);

CREATE TABLE mailtether_calls (
    provider {text}  NOT NULL,
    app      {text}  NOT NULL,
    tenant   {text}  NOT NULL,
    mailbox  {text}  NOT NULL,
    document {bytes} NOT NULL,
    idle_at  BIGINT  NOT NULL,
    PRIMARY KEY (provider, app, tenant, mailbox)
);

CREATE INDEX mailtether_calls_idle ON mailtether_calls (idle_at);
