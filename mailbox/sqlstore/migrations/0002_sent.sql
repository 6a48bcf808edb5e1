CREATE TABLE mailtether_sent (
    tenant   {text}  NOT NULL,
    mailbox  {text}  NOT NULL,
    key      {bytes} NOT NULL,
    version  BIGINT  NOT NULL,
    at       BIGINT  NOT NULL,
    document {bytes} NOT NULL,
    PRIMARY KEY (tenant, mailbox, key)
);

CREATE INDEX mailtether_sent_at ON mailtether_sent (tenant, mailbox, at, key);

CREATE TABLE mailtether_sent_terms (
    tenant  {text}  NOT NULL,
    mailbox {text}  NOT NULL,
    key     {bytes} NOT NULL,
    term    {bytes} NOT NULL,
    at      BIGINT  NOT NULL,
    PRIMARY KEY (tenant, mailbox, key, term)
) {clustered};

CREATE INDEX mailtether_sent_terms_term ON mailtether_sent_terms (tenant, mailbox, term, at DESC, key);
