CREATE TABLE mailtether_log_spans (
    tenant     {text} NOT NULL,
    kind       {text} NOT NULL,
    name       {text} NOT NULL,
    span       BIGINT NOT NULL,
    messages   BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name, span)
) {clustered};

INSERT INTO mailtether_log_spans (tenant, kind, name, span, messages, recipients)
SELECT tenant, kind, name, at >> 26, COUNT(*), SUM(recipients) FROM mailtether_log_entries
GROUP BY tenant, kind, name, at >> 26;

INSERT INTO mailtether_logs (tenant, kind, name, version, used_at)
SELECT DISTINCT tenant, kind, name, 0, {now} FROM mailtether_log_entries WHERE TRUE
ON CONFLICT (tenant, kind, name) DO NOTHING;
