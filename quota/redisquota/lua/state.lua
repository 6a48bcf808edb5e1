-- Answers {version, document}.
return {redis.call('HGET', STATE, 'version') or '0', redis.call('HGET', STATE, 'document') or ''}
