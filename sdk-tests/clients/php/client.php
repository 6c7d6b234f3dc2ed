<?php

// The requests of the official PHP SDK against a running server: pages, writes, typed errors, retries, webhooks.
//
// requests.json holds what the SDK sends, byte for byte: from its second page on it writes single values in brackets. Here is
// what it does around that: errors by status, another attempt after the seconds that the server asks for, the verification of
// a delivery. Nothing but PHP itself. Each check has a name and either holds or says what was seen instead; sdk-tests/run
// counts them. The Ruby and Go clients make the same checks.

declare(strict_types=1);

const ATTEMPTS = 3;

$base = getenv('TEST_API_BASE_URL');
$keys = ['api' => getenv('ROLLCALL_SDK_API_KEY'), 'admin' => getenv('ROLLCALL_SDK_OTHER_KEY'), 'operator' => getenv('ROLLCALL_SDK_OPERATOR_KEY')];
$fixture = json_decode(file_get_contents(__DIR__.'/requests.json'), true, flags: JSON_THROW_ON_ERROR);
$checks = [];

class APIException extends Exception
{
    public function __construct(public int $status, public array $body, public ?string $headerId)
    {
        parent::__construct("{$status} ".json_encode($body));
    }

    public static function of(int $status, array $body, ?string $headerId): self
    {
        $kind = match (true) {
            400 === $status => BadRequestException::class,
            401 === $status => AuthenticationException::class,
            403 === $status => PermissionDeniedException::class,
            404 === $status => NotFoundException::class,
            429 === $status => RateLimitException::class,
            $status >= 500 => InternalServerException::class,
            default => self::class,
        };

        return new $kind($status, $body, $headerId);
    }
}
class BadRequestException extends APIException {}
class AuthenticationException extends APIException {}
class PermissionDeniedException extends APIException {}
class NotFoundException extends APIException {}
class RateLimitException extends APIException {}
class InternalServerException extends APIException {}

/** A check holds when its body returns true; anything else it returns is what was seen. */
function check(string $name, callable $body): void
{
    global $checks;
    if (array_key_exists($name, $checks)) {
        throw new LogicException("two checks are called {$name}");
    }

    try {
        $seen = $body();
        $checks[$name] = true === $seen ? null : 'does not hold: '.json_encode($seen);
    } catch (Throwable $e) {
        $checks[$name] = $e::class.': '.$e->getMessage();
    }
    if (null !== $checks[$name]) {
        fwrite(STDERR, "{$name}: {$checks[$name]}\n");
    }
}

/** @return array{int, array<string,string>, ?array} status, headers by lower-case name, parsed body */
function exchange(string $method, string $target, array $headers, ?string $body): array
{
    global $base;
    $lines = array_map(static fn ($header) => "{$header[0]}: {$header[1]}", $headers);
    $options = ['method' => $method, 'header' => $lines, 'ignore_errors' => true, 'protocol_version' => 1.1, 'timeout' => 30];
    $text = file_get_contents($base.$target, context: stream_context_create(['http' => $options + (null === $body ? [] : ['content' => $body])]));
    if (false === $text) {
        throw new RuntimeException("{$method} {$target}: no answer");
    }
    $status = (int) explode(' ', $http_response_header[0])[1];
    $answered = [];
    foreach (array_slice($http_response_header, 1) as $line) {
        [$name, $value] = explode(': ', $line, 2);
        $answered[strtolower($name)] = $value;
    }

    return [$status, $answered, '' === $text ? null : json_decode($text, true, flags: JSON_THROW_ON_ERROR)];
}

/** One call of the SDK, with its retries: `$name` is a request of requests.json. */
function call(string $name, array $values = [], ?string $key = null): array
{
    global $fixture, $keys;
    $sent = $fixture['requests'][$name];
    $values += ['key' => $key ?? $keys['api']];
    $fill = static fn (string $text) => preg_replace_callback('/\{(\w+)\}/', static fn ($found) => $values[$found[1]] ?? $found[0], $text);
    $headers = array_map(static fn ($header) => [$header[0], $fill($header[1])], [...$fixture['headers'], ...$sent['headers']]);
    for ($attempt = 0;; ++$attempt) {
        [$status, $answered, $body] = exchange(
            $sent['method'], $fill($sent['target']), [...$headers, ['X-Stainless-Retry-Count', (string) $attempt]],
            null === $sent['body'] ? null : $fill($sent['body']),
        );
        if ($status < 400) {
            return $body;
        }
        // The SDK looks neither at x-should-retry nor at retry-after-ms.
        $again = in_array($status, [408, 409, 429], true) || $status >= 500;
        if (!$again || $attempt + 1 >= ATTEMPTS) {
            throw APIException::of($status, $body, $answered['request-id'] ?? null);
        }
        sleep(min(8, (int) ($answered['retry-after'] ?? 0)));
    }
}

function plain(string $method, string $path, string $key, ?array $body = null, array $headers = []): ?array
{
    $all = [['x-api-key', $key], ['content-type', 'application/json'], ...$headers];
    [$status, $answered, $parsed] = exchange($method, $path, $all, null === $body ? null : json_encode($body));
    if ($status >= 400) {
        throw APIException::of($status, $parsed, $answered['request-id'] ?? null);
    }

    return $parsed;
}

function operator(string $method, string $path, ?array $body = null): ?array
{
    global $keys;

    return plain($method, "/operator/v1{$path}", $keys['operator'], $body);
}

function fails(string $kind, string $type, callable $body): mixed
{
    try {
        $body();
    } catch (APIException $e) {
        return $e::class === $kind && $e->body['error']['type'] === $type && null !== $e->headerId && $e->body['request_id'] === $e->headerId ?: $e->getMessage();
    }

    return 'was accepted';
}

/** What the server saw of the last calls, newest first. */
function seen(string $method, string $path): array
{
    $rows = operator('GET', '/dev/requests?limit=100')['data'];

    return array_values(array_filter($rows, static fn ($row) => $row['method'] === $method && $row['path'] === $path));
}

operator('POST', '/dev/reset');
$made = [];
check('create: answers what was sent', function () use (&$made) {
    $profile = call('create', ['reference' => 'acct_88213']);
    $made[] = $profile['id'];

    return 'Ana Ferreira' === $profile['name'] && ['plan' => 'team'] === $profile['metadata'] && 'acct_88213' === $profile['external_id'] ?: $profile;
});
check('create under a newer beta: takes its fields', function () use (&$made) {
    $profile = call('create_newer', ['reference' => 'user_4410']);
    $made[] = $profile['id'];

    return 'user_4410' === $profile['external_user_details']['reference_id'] && !array_key_exists('external_id', $profile) ?: $profile;
});
check('create with nothing: is valid', function () use (&$made) {
    $made[] = call('create_empty')['id'];
    $made[] = call('create_empty')['id'];

    return 4 === count(array_unique($made)) ?: $made;
});
check('retrieve: the profile', fn () => 'acct_88213' === ($profile = call('retrieve', ['id' => $made[0]]))['external_id'] ?: $profile);
check('update: replaces and merges', function () use (&$made) {
    $profile = call('update', ['id' => $made[0]]);

    return 'Nordlicht' === $profile['name'] && [] === $profile['metadata'] && 'acct_88213' === $profile['external_id'] ?: $profile;
});
check('update: went out as the SDK sends it', function () use (&$made, $fixture) {
    $row = seen('POST', "/v1/user_profiles/{$made[0]}")[0];
    $sent = $fixture['requests']['update'];
    $wanted = array_filter([...$fixture['headers'], ...$sent['headers']], static fn ($header) => 'X-Api-Key' !== $header[0]);
    $lacking = array_filter($wanted, static fn ($header) => !in_array([strtolower($header[0]), $header[1]], $row['headers'], true));

    return "{$row['path']}?{$row['query']}" === str_replace('{id}', $made[0], $sent['target']) && [] === $lacking ?: $row;
});

$orders = [];
foreach (['asc', 'desc'] as $order) {
    check("list {$order}: every profile once, on three pages", function () use (&$made, &$orders, $order) {
        $cursors = [];
        $pages = [];
        foreach ([1, 2, 3] as $page) {
            $answer = call("list_{$page}", ['order' => $order, ...$cursors]);
            $pages[] = array_column($answer['data'], 'id');
            $cursors['page_'.($page + 1)] = $answer['next_page'];
        }
        $orders[$order] = array_merge(...$pages);

        return [2, 2, 1] === array_map(count(...), $pages) && null === $cursors['page_4']
            && 5 === count(array_unique($orders[$order])) && [] === array_diff($made, $orders[$order]) ?: $pages;
    });
}
check('list: one order is the other, backwards', fn () => isset($orders['asc'], $orders['desc']) && array_reverse($orders['asc']) === $orders['desc'] ?: $orders);
check('list asc: as they were made', fn () => array_slice($orders['asc'] ?? [], -4) === $made ?: $orders);

check('enrollment url: is one', function () use (&$made) {
    $answer = call('enrollment_url', ['id' => $made[0]]);

    return 'enrollment_url' === $answer['type'] && str_contains($answer['url'], '/user-profiles/enrollment/') ?: $answer;
});
check('delete: says so', fn () => call('delete', ['id' => $made[3]]) === ['id' => $made[3], 'type' => 'user_profile_deleted']);
$gone = ['id' => $made[3]];
$there = ['id' => $made[0]];
check('retrieve after delete: NotFoundError', fn () => fails(NotFoundException::class, 'not_found_error', fn () => call('retrieve', $gone)));
check('delete again: NotFoundError', fn () => fails(NotFoundException::class, 'not_found_error', fn () => call('delete', $gone)));
check('wrong key: AuthenticationError', fn () => fails(AuthenticationException::class, 'authentication_error', fn () => call('retrieve', $there, 'sk-unknown')));
check('key of another kind: PermissionDeniedError', fn () => fails(PermissionDeniedException::class, 'permission_error', fn () => call('retrieve', $there, $keys['admin'])));
check('value too long: BadRequestError', fn () => fails(BadRequestException::class, 'invalid_request_error', fn () => call('create', ['reference' => str_repeat('x', 256)])));
check('order that is none: BadRequestError', fn () => fails(BadRequestException::class, 'invalid_request_error', fn () => call('list_1', ['order' => 'up'])));

check('retry: an overload once is not seen', function () {
    operator('POST', '/dev/faults', ['method' => 'POST', 'path' => '/v1/user_profiles', 'status' => 529, 'times' => 1]);

    return 'retried' === call('create', ['reference' => 'retried'])['external_id'];
});
check('retry: the attempts are counted', function () {
    $counts = array_map(static fn ($row) => array_column($row['headers'], 1, 0)['x-stainless-retry-count'], array_slice(seen('POST', '/v1/user_profiles'), 0, 2));

    return ['1', '0'] === $counts ?: $counts;
});
check('retry: gives up after three attempts', function () use ($there) {
    operator('POST', '/dev/faults', ['method' => 'GET', 'path' => "/v1/user_profiles/{$there['id']}", 'status' => 529, 'times' => 3]);

    return fails(InternalServerException::class, 'overloaded_error', fn () => call('retrieve', $there));
});
check('retry: a refusal is not tried again', function () {
    $path = '/v1/user_profiles/uprof_missing';
    $before = count(seen('GET', $path));

    return true === fails(NotFoundException::class, 'not_found_error', fn () => call('retrieve', ['id' => 'uprof_missing'])) && count(seen('GET', $path)) === $before + 1;
});

// --- webhooks: Standard Webhooks, as the SDK's `unwrap` verifies them ------------------------------------

class NotVerified extends Exception {}

function unwrap(string $secret, array $headers, string $body): array
{
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    if (abs(time() - (int) $headers['webhook-timestamp']) > 300) {
        throw new NotVerified('too old or too new');
    }
    $expected = 'v1,'.base64_encode(hash_hmac('sha256', "{$headers['webhook-id']}.{$headers['webhook-timestamp']}.{$body}", $key, true));
    foreach (explode(' ', $headers['webhook-signature']) as $signature) {
        if (hash_equals($expected, $signature)) {
            return json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        }
    }

    throw new NotVerified('no signature matches');
}

/** One delivery: its headers and its body. */
function receive($listener): array
{
    $socket = stream_socket_accept($listener, 15) ?: throw new RuntimeException('no delivery within 15 seconds');
    fgets($socket);
    $headers = [];
    while ('' !== ($line = rtrim(fgets($socket)))) {
        [$name, $value] = explode(': ', $line, 2);
        $headers[strtolower($name)] = $value;
    }
    $body = stream_get_contents($socket, (int) $headers['content-length']);
    fwrite($socket, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    fclose($socket);

    return [$headers, $body];
}

$listener = stream_socket_server('tcp://127.0.0.1:0');
$hook = ['url' => 'http://'.stream_socket_get_name($listener, false).'/hooks', 'enabled_events' => ['user_profile.program_status_updated']];
$admin = [['anthropic-version', '2023-06-01'], ['anthropic-beta', 'webhooks-2026-10-07']];
$secret = plain('POST', '/v1/organizations/webhooks', $keys['admin'], $hook, $admin)['signing_secret'];
operator('PUT', "/user_profiles/{$made[0]}/programs/cyber", ['status' => 'active']);
[$headers, $body] = receive($listener);
check('webhook: verified', function () use ($secret, $headers, $body, $made) {
    $event = unwrap($secret, $headers, $body);

    return $event['id'] === $headers['webhook-id'] && 'user_profile.program_status_updated' === $event['data']['type'] && $event['data']['id'] === $made[0] ?: $event;
});
$changes = [
    'body' => [$headers, str_replace('event', 'tneve', $body)],
    'id' => [['webhook-id' => 'whe_0'] + $headers, $body],
    'timestamp' => [['webhook-timestamp' => (string) ((int) $headers['webhook-timestamp'] + 1)] + $headers, $body],
    'old timestamp' => [['webhook-timestamp' => (string) ((int) $headers['webhook-timestamp'] - 301)] + $headers, $body],
    'signature' => [['webhook-signature' => 'v1,'.str_repeat('A', 43).'='] + $headers, $body],
];
foreach ($changes as $what => [$changedHeaders, $changedBody]) {
    check("webhook: changed {$what} refused", function () use ($secret, $changedHeaders, $changedBody) {
        try {
            unwrap($secret, $changedHeaders, $changedBody);
        } catch (NotVerified) {
            return true;
        }

        return 'it was taken';
    });
}

file_put_contents(getenv('ROLLCALL_SDK_RESULTS'), json_encode(['tests' => $checks]));
exit([] === array_filter($checks, static fn ($fault) => null !== $fault) ? 0 : 1);
