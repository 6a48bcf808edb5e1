CREATE TABLE mailtether_accounts (
    tenant     {text}  NOT NULL,
    mailbox    {text}  NOT NULL,
    version    BIGINT  NOT NULL,
    provider   {text}  NOT NULL,
    app        {text}  NOT NULL,
    owner      {text}  NOT NULL,
    subject    {text}  NOT NULL,
    address    {text}  NOT NULL,
    state      {text}  NOT NULL,
    parent     {text}  NOT NULL,
    link       {text}  NOT NULL,
    document   {bytes} NOT NULL,
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (tenant, mailbox)
);

CREATE UNIQUE INDEX mailtether_accounts_link ON mailtether_accounts (link) WHERE link <> '';

CREATE INDEX mailtether_accounts_parent ON mailtether_accounts (tenant, parent, mailbox) WHERE parent <> '';

CREATE INDEX mailtether_accounts_subject ON mailtether_accounts (subject, provider);

CREATE TABLE mailtether_states (
    id      {text}  NOT NULL PRIMARY KEY,
    data    {bytes} NOT NULL,
    expires BIGINT  NOT NULL
);

CREATE INDEX mailtether_states_expires ON mailtether_states (expires);

CREATE TABLE mailtether_tokens (
    tenant     {text}  NOT NULL,
    mailbox    {text}  NOT NULL,
    version    BIGINT  NOT NULL,
    provider   {text}  NOT NULL,
    sealed     {bytes},
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (tenant, mailbox)
);

CREATE TABLE mailtether_leases (
    tenant  {text} NOT NULL,
    mailbox {text} NOT NULL,
    holder  {text} NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (tenant, mailbox)
);
