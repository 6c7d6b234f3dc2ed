// The requests of the official Go SDK against a running server: pages, writes, typed errors, retries, webhooks.
//
// requests.json holds what the SDK sends: it repeats the anthropic-beta header, its own dialect first. Here is what it does
// around that: errors by status, the next page, another attempt when the server asks for one, the verification of a delivery.
// Standard library only. Each check has a name and either holds or says what was seen instead; sdk-tests/run counts them. The
// Ruby and PHP clients make the same checks.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const attempts = 3

type object = map[string]any

type request struct {
	Method, Target string
	Headers        [][2]string
	Body           *string
}

var fixture struct {
	Headers  [][2]string
	Requests map[string]request
}

var (
	base     = os.Getenv("TEST_API_BASE_URL")
	api      = os.Getenv("ROLLCALL_SDK_API_KEY")
	admin    = os.Getenv("ROLLCALL_SDK_OTHER_KEY")
	operator = os.Getenv("ROLLCALL_SDK_OPERATOR_KEY")
	checks   = map[string]*string{}
	client   = &http.Client{Timeout: 30 * time.Second}
)

// APIError is any answer of 400 and above.
type APIError struct {
	Status              int
	Type                string
	RequestID, HeaderID string
	Raw                 string
}

func (e *APIError) Error() string { return fmt.Sprintf("%d %s", e.Status, e.Raw) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// check records whether a body returned true; anything else it returns, or panics with, is what was seen.
func check(name string, body func() any) {
	if _, twice := checks[name]; twice {
		panic("two checks are called " + name)
	}
	var fault *string
	func() {
		defer func() {
			if seen := recover(); seen != nil {
				text := fmt.Sprint(seen)
				fault = &text
			}
		}()
		if seen := body(); seen != true {
			text := fmt.Sprintf("does not hold: %v", seen)
			fault = &text
		}
	}()
	checks[name] = fault
	if fault != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, *fault)
	}
}

func or(holds bool, seen any) any {
	if holds {
		return true
	}
	return seen
}

func exchange(method, target string, headers [][2]string, body *string) (*http.Response, []byte, error) {
	var reader io.Reader
	if body != nil {
		reader = strings.NewReader(*body)
	}
	sent, err := http.NewRequest(method, base+target, reader)
	if err != nil {
		return nil, nil, err
	}
	for _, header := range headers {
		sent.Header.Add(header[0], header[1])
	}
	answer, err := client.Do(sent)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, text, err
}

func parsed(answer *http.Response, text []byte) (object, error) {
	var body object
	if len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			return nil, err
		}
	}
	if answer.StatusCode < 400 {
		return body, nil
	}
	kind, _ := body["error"].(object)["type"].(string)
	id, _ := body["request_id"].(string)
	return nil, &APIError{answer.StatusCode, kind, id, answer.Header.Get("request-id"), string(text)}
}

// call makes one call of the SDK, with its retries: name is a request of requests.json.
func call(name string, values map[string]string) (object, error) {
	sent := fixture.Requests[name]
	pairs := []string{}
	if _, given := values["key"]; !given {
		pairs = append(pairs, "{key}", api)
	}
	for key, value := range values {
		pairs = append(pairs, "{"+key+"}", value)
	}
	fill := strings.NewReplacer(pairs...).Replace
	headers := [][2]string{}
	for _, header := range append(append([][2]string{}, fixture.Headers...), sent.Headers...) {
		headers = append(headers, [2]string{header[0], fill(header[1])})
	}
	var body *string
	if sent.Body != nil {
		filled := fill(*sent.Body)
		body = &filled
	}
	for attempt := 0; ; attempt++ {
		answer, text, err := exchange(sent.Method, fill(sent.Target), append(headers, [2]string{"X-Stainless-Retry-Count", strconv.Itoa(attempt)}), body)
		if err != nil {
			return nil, err
		}
		again := answer.StatusCode == 408 || answer.StatusCode == 409 || answer.StatusCode == 429 || answer.StatusCode >= 500
		if asked := answer.Header.Get("x-should-retry"); asked != "" {
			again = asked == "true"
		}
		if !again || attempt+1 == attempts {
			return parsed(answer, text)
		}
		wait, _ := strconv.ParseFloat(answer.Header.Get("retry-after-ms"), 64)
		time.Sleep(time.Duration(wait * float64(time.Millisecond)))
	}
}

func plain(method, path, key string, body any, headers ...[2]string) object {
	var text *string
	if body != nil {
		made := string(must(json.Marshal(body)))
		text = &made
	}
	answer, got, err := exchange(method, path, append(headers, [2]string{"x-api-key", key}, [2]string{"content-type", "application/json"}), text)
	if err != nil {
		panic(err)
	}
	return must(parsed(answer, got))
}

func operate(method, path string, body any) object {
	return plain(method, "/operator/v1"+path, operator, body)
}

func fails(status int, kind string, err error) any {
	var seen *APIError
	if !errors.As(err, &seen) {
		return fmt.Sprintf("was accepted: %v", err)
	}
	return or(seen.Status == status && seen.Type == kind && seen.RequestID != "" && seen.RequestID == seen.HeaderID, seen)
}

func failed(name string, values map[string]string) error {
	_, err := call(name, values)
	return err
}

// seen is what the server saw of the last calls, newest first.
func seen(method, path string) []object {
	rows := []object{}
	for _, row := range operate("GET", "/dev/requests?limit=100", nil)["data"].([]any) {
		if row := row.(object); row["method"] == method && row["path"] == path {
			rows = append(rows, row)
		}
	}
	return rows
}

func header(row object, name string) (values []string) {
	for _, pair := range row["headers"].([]any) {
		if pair := pair.([]any); pair[0] == name {
			values = append(values, pair[1].(string))
		}
	}
	return values
}

func ids(answer object) (found []string) {
	for _, profile := range answer["data"].([]any) {
		found = append(found, profile.(object)["id"].(string))
	}
	return found
}

func distinct(names []string) int {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return len(all)
}

type values = map[string]string

func main() {
	directory := filepath.Dir(must(filepath.Abs(os.Args[1])))
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(directory, "requests.json"))), &fixture); err != nil {
		panic(err)
	}
	operate("POST", "/dev/reset", nil)
	made := []string{}
	keep := func(profile object) object {
		made = append(made, profile["id"].(string))
		return profile
	}

	check("create: answers what was sent", func() any {
		profile := keep(must(call("create", values{"reference": "acct_88213"})))
		return or(profile["name"] == "Ana Ferreira" && reflect.DeepEqual(profile["metadata"], object{"plan": "team"}) && profile["external_id"] == "acct_88213", profile)
	})
	check("create under a newer beta: takes its fields", func() any {
		profile := keep(must(call("create_newer", values{"reference": "user_4410"})))
		_, older := profile["external_id"]
		return or(profile["external_user_details"].(object)["reference_id"] == "user_4410" && !older, profile)
	})
	check("create with nothing: is valid", func() any {
		keep(must(call("create_empty", nil)))
		keep(must(call("create_empty", nil)))
		return or(distinct(made) == 4, made)
	})
	check("retrieve: the profile", func() any {
		profile := must(call("retrieve", values{"id": made[0]}))
		return or(profile["external_id"] == "acct_88213", profile)
	})
	check("update: replaces and merges", func() any {
		profile := must(call("update", values{"id": made[0]}))
		return or(profile["name"] == "Nordlicht" && len(profile["metadata"].(object)) == 0 && profile["external_id"] == "acct_88213", profile)
	})
	check("update: went out as the SDK sends it", func() any {
		row, sent := seen("POST", "/v1/user_profiles/"+made[0])[0], fixture.Requests["update"]
		for _, wanted := range append(append([][2]string{}, fixture.Headers...), sent.Headers...) {
			there := wanted[0] == "X-Api-Key"
			for _, value := range header(row, strings.ToLower(wanted[0])) {
				there = there || value == wanted[1]
			}
			if !there {
				return fmt.Sprintf("%v is not in %v", wanted, row)
			}
		}
		return or(fmt.Sprintf("%s?%s", row["path"], row["query"]) == strings.Replace(sent.Target, "{id}", made[0], 1), row)
	})

	orders := map[string][]string{}
	for _, order := range []string{"asc", "desc"} {
		check("list "+order+": every profile once, on three pages", func() any {
			cursors, sizes := values{"order": order}, []int{}
			var next any
			for page := 1; page <= 3; page++ {
				answer := must(call(fmt.Sprintf("list_%d", page), cursors))
				orders[order] = append(orders[order], ids(answer)...)
				sizes = append(sizes, len(ids(answer)))
				next = answer["next_page"]
				if cursor, more := next.(string); more {
					cursors[fmt.Sprintf("page_%d", page+1)] = cursor
				}
			}
			return or(reflect.DeepEqual(sizes, []int{2, 2, 1}) && next == nil && distinct(orders[order]) == 5 && distinct(append(made, orders[order]...)) == 5, orders)
		})
	}
	check("list: one order is the other, backwards", func() any {
		for at, id := range orders["asc"] {
			if orders["desc"][len(orders["desc"])-1-at] != id {
				return orders
			}
		}
		return or(len(orders["asc"]) == 5, orders)
	})
	check("list asc: as they were made", func() any { return or(reflect.DeepEqual(orders["asc"][1:], made), orders) })

	there, gone := values{"id": made[0]}, values{"id": made[3]}
	check("enrollment url: is one", func() any {
		answer := must(call("enrollment_url", there))
		return or(answer["type"] == "enrollment_url" && strings.Contains(answer["url"].(string), "/user-profiles/enrollment/"), answer)
	})
	check("delete: says so", func() any {
		answer := must(call("delete", gone))
		return or(reflect.DeepEqual(answer, object{"id": made[3], "type": "user_profile_deleted"}), answer)
	})
	check("retrieve after delete: NotFoundError", func() any { return fails(404, "not_found_error", failed("retrieve", gone)) })
	check("delete again: NotFoundError", func() any { return fails(404, "not_found_error", failed("delete", gone)) })
	check("wrong key: AuthenticationError", func() any {
		return fails(401, "authentication_error", failed("retrieve", values{"id": made[0], "key": "sk-unknown"}))
	})
	check("key of another kind: PermissionDeniedError", func() any {
		return fails(403, "permission_error", failed("retrieve", values{"id": made[0], "key": admin}))
	})
	check("value too long: BadRequestError", func() any {
		return fails(400, "invalid_request_error", failed("create", values{"reference": strings.Repeat("x", 256)}))
	})
	check("order that is none: BadRequestError", func() any {
		return fails(400, "invalid_request_error", failed("list_1", values{"order": "up"}))
	})

	check("retry: an overload once is not seen", func() any {
		operate("POST", "/dev/faults", object{"method": "POST", "path": "/v1/user_profiles", "status": 529, "times": 1})
		profile := must(call("create", values{"reference": "retried"}))
		return or(profile["external_id"] == "retried", profile)
	})
	check("retry: the attempts are counted", func() any {
		rows := seen("POST", "/v1/user_profiles")
		counts := append(header(rows[0], "x-stainless-retry-count"), header(rows[1], "x-stainless-retry-count")...)
		return or(reflect.DeepEqual(counts, []string{"1", "0"}), counts)
	})
	check("retry: gives up after three attempts", func() any {
		operate("POST", "/dev/faults", object{"method": "GET", "path": "/v1/user_profiles/" + made[0], "status": 529, "times": 3})
		return fails(529, "overloaded_error", failed("retrieve", there))
	})
	check("retry: a refusal is not tried again", func() any {
		path := "/v1/user_profiles/uprof_missing"
		before := len(seen("GET", path))
		if refused := fails(404, "not_found_error", failed("retrieve", values{"id": "uprof_missing"})); refused != true {
			return refused
		}
		return or(len(seen("GET", path)) == before+1, seen("GET", path))
	})
	webhooks(made[0])

	if err := os.WriteFile(os.Getenv("ROLLCALL_SDK_RESULTS"), must(json.Marshal(object{"tests": checks})), 0o600); err != nil {
		panic(err)
	}
	for _, fault := range checks {
		if fault != nil {
			os.Exit(1)
		}
	}
}

// --- webhooks: Standard Webhooks, as the SDK's Unwrap verifies them --------------------------------------

type delivery struct {
	headers http.Header
	body    []byte
}

func unwrap(secret string, got delivery) (object, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, err
	}
	stamp, err := strconv.ParseInt(got.headers.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return nil, err
	}
	if age := time.Now().Unix() - stamp; age > 300 || age < -300 {
		return nil, errors.New("too old or too new")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", got.headers.Get("webhook-id"), stamp, got.body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, signature := range strings.Split(got.headers.Get("webhook-signature"), " ") {
		if hmac.Equal(expected, []byte(signature)) {
			var event object
			err := json.Unmarshal(got.body, &event)
			return event, err
		}
	}
	return nil, errors.New("no signature matches")
}

func webhooks(profile string) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	received := make(chan delivery, 1)
	go func() {
		panic(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, got *http.Request) {
			received <- delivery{got.Header, must(io.ReadAll(got.Body))}
			answer.WriteHeader(http.StatusNoContent)
		})))
	}()
	hook := object{"url": "http://" + listener.Addr().String() + "/hooks", "enabled_events": []string{"user_profile.program_status_updated"}}
	endpoint := plain("POST", "/v1/organizations/webhooks", admin, hook, [2]string{"anthropic-version", "2023-06-01"}, [2]string{"anthropic-beta", "webhooks-2026-10-07"})
	secret := endpoint["signing_secret"].(string)
	operate("PUT", "/user_profiles/"+profile+"/programs/cyber", object{"status": "active"})
	var got delivery
	select {
	case got = <-received:
	case <-time.After(15 * time.Second):
		panic("no delivery within 15 seconds")
	}
	check("webhook: verified", func() any {
		event := must(unwrap(secret, got))
		data := event["data"].(object)
		return or(event["id"] == got.headers.Get("webhook-id") && data["type"] == "user_profile.program_status_updated" && data["id"] == profile, event)
	})
	stamp := must(strconv.ParseInt(got.headers.Get("webhook-timestamp"), 10, 64))
	changed := func(name, value string) delivery {
		headers := got.headers.Clone()
		headers.Set(name, value)
		return delivery{headers, got.body}
	}
	for what, change := range map[string]delivery{
		"body":          {got.headers, bytes.Replace(got.body, []byte("event"), []byte("tneve"), 1)},
		"id":            changed("webhook-id", "whe_0"),
		"timestamp":     changed("webhook-timestamp", strconv.FormatInt(stamp+1, 10)),
		"old timestamp": changed("webhook-timestamp", strconv.FormatInt(stamp-301, 10)),
		"signature":     changed("webhook-signature", "v1,"+strings.Repeat("A", 43)+"="),
	} {
		check("webhook: changed "+what+" refused", func() any {
			_, err := unwrap(secret, change)
			return or(err != nil, "it was taken")
		})
	}
}
