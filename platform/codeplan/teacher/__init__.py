"""The teacher: which plans are requested, the client of its endpoint, the cache of paid answers, the budget.

prompts, plan_requests, requests     from a solution to a plan request, and to the request that is sent
endpoint, client, failures, ...      one request over HTTP: retries, refusals, and what counts as which
response_body, completion            bytes to JSON, and JSON to an answer
reasoning, plans                     from an answer to a plan: without the model's thoughts, and its leakage
cache, budget, cached_teacher        many requests at once: never paid twice, never above the budget
configured_endpoint                  the endpoint and key that a configuration names, or the offline teacher
distillation, plan_collection        all requests of a stage, and the account of what became of them
estimate                             requests, tokens and worst-case price, before anything is sent
offline                              the offline teacher
"""
