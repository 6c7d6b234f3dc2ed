# The requests of the official Ruby SDK against a running server: pages, writes, typed errors, retries, webhooks.
#
# requests.json holds what the SDK sends, byte for byte; here is what it does around that: errors by status, the next page,
# another attempt when the server asks for one, the verification of a delivery. Standard library only. Each check has a name
# and either holds or says what was seen instead; sdk-tests/run counts them. The PHP and Go clients make the same checks.

require "json"
require "net/http"
require "openssl"
require "socket"
require "timeout"
require "uri"

BASE = URI(ENV.fetch("TEST_API_BASE_URL"))
KEYS = {api: ENV.fetch("ROLLCALL_SDK_API_KEY"), admin: ENV.fetch("ROLLCALL_SDK_OTHER_KEY"), operator: ENV.fetch("ROLLCALL_SDK_OPERATOR_KEY")}.freeze
FIXTURE = JSON.parse(File.read(File.join(__dir__, "requests.json"))).freeze
CHECKS = {}
ATTEMPTS = 3

class APIError < StandardError
  attr_reader :status, :type, :request_id, :header_id

  def initialize(status, body, header_id)
    @status, @header_id = status, header_id
    @type, @request_id = body.dig("error", "type"), body["request_id"]
    super("#{status} #{body}")
  end

  def self.of(status, body, header_id)
    kind = {400 => BadRequestError, 401 => AuthenticationError, 403 => PermissionDeniedError, 404 => NotFoundError, 429 => RateLimitError}[status]
    (kind || (status >= 500 ? InternalServerError : APIError)).new(status, body, header_id)
  end
end

%w[BadRequestError AuthenticationError PermissionDeniedError NotFoundError RateLimitError InternalServerError].each do |name|
  Object.const_set(name, Class.new(APIError))
end

def check(name)
  raise "two checks are called #{name}" if CHECKS.key?(name)

  fault = yield
  CHECKS[name] = fault == true ? nil : "does not hold: #{fault.inspect}"
rescue StandardError => e
  CHECKS[name] = "#{e.class}: #{e.message}"
ensure
  warn "#{name}: #{CHECKS[name]}" if CHECKS[name]
end

def exchange(method, target, headers, body)
  request = Net::HTTPGenericRequest.new(method, !body.nil?, true, target)
  headers.group_by(&:first).each { |name, fields| request[name] = fields.map(&:last).join(", ") }
  request.body = body if body
  Net::HTTP.start(BASE.host, BASE.port, read_timeout: 30) { |http| http.request(request) }
end

# One call of the SDK, with its retries: `name` is a request of requests.json.
def call(name, key: KEYS[:api], **values)
  fixture = FIXTURE["requests"].fetch(name)
  fill = ->(text) { text&.gsub(/\{(\w+)\}/) { values.fetch($1.to_sym) { $1 == "key" ? key : $& } } }
  headers = (FIXTURE["headers"] + fixture["headers"]).map { |header, value| [header, fill[value]] }
  ATTEMPTS.times do |attempt|
    answer = exchange(fixture["method"], fill[fixture["target"]], headers + [["X-Stainless-Retry-Count", attempt.to_s]], fill[fixture["body"]])
    status = answer.code.to_i
    return JSON.parse(answer.body) if status < 400

    asked = answer["x-should-retry"]
    again = asked ? asked == "true" : [408, 409, 429].include?(status) || status >= 500
    raise APIError.of(status, JSON.parse(answer.body), answer["request-id"]) unless again && attempt + 1 < ATTEMPTS

    sleep((answer["retry-after-ms"].to_f / 1000).clamp(0, 8))
  end
end

def plain(method, path, key, body = nil, headers = {})
  all = [["x-api-key", key], ["content-type", "application/json"], *headers.to_a]
  answer = exchange(method, path, all, body && JSON.generate(body))
  raise APIError.of(answer.code.to_i, JSON.parse(answer.body), answer["request-id"]) if answer.code.to_i >= 400

  answer.body.to_s.empty? ? nil : JSON.parse(answer.body)
end

def operator(method, path, body = nil)
  plain(method, "/operator/v1#{path}", KEYS[:operator], body)
end

def fails(kind, type)
  yield
  "was accepted"
rescue APIError => e
  (e.instance_of?(kind) && e.type == type && e.request_id == e.header_id && !e.request_id.nil?) || e
end

# What the server saw of the last calls, newest first.
def seen(method, path)
  operator("GET", "/dev/requests?limit=100")["data"].select { |row| row["method"] == method && row["path"] == path }
end

operator("POST", "/dev/reset")
made = []
check("create: answers what was sent") do
  profile = call("create", reference: "acct_88213")
  made << profile["id"]
  profile["name"] == "Ana Ferreira" && profile["metadata"] == {"plan" => "team"} && profile["external_id"] == "acct_88213" || profile
end
check("create under a newer beta: takes its fields") do
  profile = call("create_newer", reference: "user_4410")
  made << profile["id"]
  profile.dig("external_user_details", "reference_id") == "user_4410" && !profile.key?("external_id") || profile
end
check("create with nothing: is valid") do
  2.times { made << call("create_empty")["id"] }
  made.uniq.size == 4 || made
end
check("retrieve: the profile") { (profile = call("retrieve", id: made[0]))["external_id"] == "acct_88213" || profile }
check("update: replaces and merges") do
  profile = call("update", id: made[0])
  profile["name"] == "Nordlicht" && profile["metadata"] == {} && profile["external_id"] == "acct_88213" || profile
end
check("update: went out as the SDK sends it") do
  row = seen("POST", "/v1/user_profiles/#{made[0]}").first
  sent = FIXTURE["requests"]["update"]
  wanted = (FIXTURE["headers"] + sent["headers"]).reject { |name, _| name == "X-Api-Key" }.map { |name, value| [name.downcase, value] }
  "#{row["path"]}?#{row["query"]}" == sent["target"].sub("{id}", made[0]) && (wanted - row["headers"]).empty? || row
end

orders = {}
%w[asc desc].each do |order|
  check("list #{order}: every profile once, on three pages") do
    cursors, pages = {}, []
    (1..3).each do |page|
      answer = call("list_#{page}", order: order, **cursors)
      pages << answer["data"].map { |profile| profile["id"] }
      cursors[:"page_#{page + 1}"] = answer["next_page"]
    end
    orders[order] = pages.flatten
    pages.map(&:size) == [2, 2, 1] && cursors[:page_4].nil? && orders[order].uniq.size == 5 && (made - orders[order]).empty? || pages
  end
end
check("list: one order is the other, backwards") { orders["asc"]&.reverse == orders["desc"] || orders }
check("list asc: as they were made") { orders["asc"]&.last(4) == made || orders["asc"] }

check("enrollment url: is one") do
  answer = call("enrollment_url", id: made[0])
  answer["type"] == "enrollment_url" && answer["url"].include?("/user-profiles/enrollment/") || answer
end
check("delete: says so") { call("delete", id: made[3]) == {"id" => made[3], "type" => "user_profile_deleted"} }
check("retrieve after delete: NotFoundError") { fails(NotFoundError, "not_found_error") { call("retrieve", id: made[3]) } }
check("delete again: NotFoundError") { fails(NotFoundError, "not_found_error") { call("delete", id: made[3]) } }
check("wrong key: AuthenticationError") { fails(AuthenticationError, "authentication_error") { call("retrieve", id: made[0], key: "sk-unknown") } }
check("key of another kind: PermissionDeniedError") { fails(PermissionDeniedError, "permission_error") { call("retrieve", id: made[0], key: KEYS[:admin]) } }
check("value too long: BadRequestError") { fails(BadRequestError, "invalid_request_error") { call("create", reference: "x" * 256) } }
check("order that is none: BadRequestError") { fails(BadRequestError, "invalid_request_error") { call("list_1", order: "up") } }

check("retry: an overload once is not seen") do
  operator("POST", "/dev/faults", {method: "POST", path: "/v1/user_profiles", status: 529, times: 1})
  call("create", reference: "retried")["external_id"] == "retried"
end
check("retry: the attempts are counted") do
  counts = seen("POST", "/v1/user_profiles").first(2).map { |row| row["headers"].to_h["x-stainless-retry-count"] }
  counts == %w[1 0] || counts
end
check("retry: gives up after three attempts") do
  operator("POST", "/dev/faults", {method: "GET", path: "/v1/user_profiles/#{made[0]}", status: 529, times: 3})
  fails(InternalServerError, "overloaded_error") { call("retrieve", id: made[0]) }
end
check("retry: a refusal is not tried again") do
  before = seen("GET", "/v1/user_profiles/uprof_missing").size
  fails(NotFoundError, "not_found_error") { call("retrieve", id: "uprof_missing") } == true && seen("GET", "/v1/user_profiles/uprof_missing").size == before + 1
end

# --- webhooks: Standard Webhooks, as the SDK's `unwrap` verifies them -----------------------------------

def unwrap(secret, headers, body)
  key = secret.delete_prefix("whsec_").unpack1("m0")
  raise "too old or too new" if (Time.now.to_i - Integer(headers["webhook-timestamp"])).abs > 300

  mac = OpenSSL::HMAC.digest("SHA256", key, "#{headers["webhook-id"]}.#{headers["webhook-timestamp"]}.#{body}")
  expected = "v1,#{[mac].pack("m0")}"
  matches = headers["webhook-signature"].split.any? { |signature| OpenSSL.secure_compare(signature, expected) }
  raise "no signature matches" unless matches

  JSON.parse(body)
end

# One delivery: its headers and its body.
def receive(listener)
  Timeout.timeout(15) do
    socket = listener.accept
    socket.gets
    headers = {}
    while (line = socket.gets.chomp) != ""
      name, value = line.split(": ", 2)
      headers[name.downcase] = value
    end
    body = socket.read(headers.fetch("content-length").to_i).force_encoding("UTF-8")
    socket.write("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    socket.close
    [headers, body]
  end
end

listener = TCPServer.new("127.0.0.1", 0)
admin = {"anthropic-version" => "2023-06-01", "anthropic-beta" => "webhooks-2026-10-07"}
hook = {url: "http://127.0.0.1:#{listener.addr[1]}/hooks", enabled_events: ["user_profile.program_status_updated"]}
secret = plain("POST", "/v1/organizations/webhooks", KEYS[:admin], hook, admin)["signing_secret"]
operator("PUT", "/user_profiles/#{made[0]}/programs/cyber", {status: "active"})
headers, body = receive(listener)
check("webhook: verified") do
  event = unwrap(secret, headers, body)
  event["id"] == headers["webhook-id"] && event["data"]["type"] == "user_profile.program_status_updated" && event["data"]["id"] == made[0] || event
end
{
  "body" => [headers, body.sub("event", "tneve")],
  "id" => [headers.merge("webhook-id" => "whe_0"), body],
  "timestamp" => [headers.merge("webhook-timestamp" => (headers["webhook-timestamp"].to_i + 1).to_s), body],
  "old timestamp" => [headers.merge("webhook-timestamp" => (headers["webhook-timestamp"].to_i - 301).to_s), body],
  "signature" => [headers.merge("webhook-signature" => "v1,#{"A" * 43}="), body],
}.each do |what, (changed_headers, changed_body)|
  check("webhook: changed #{what} refused") do
    unwrap(secret, changed_headers, changed_body)
    "it was taken"
  rescue RuntimeError
    true
  end
end

File.write(ENV.fetch("ROLLCALL_SDK_RESULTS"), JSON.generate({tests: CHECKS}))
exit(CHECKS.values.any? ? 1 : 0)
