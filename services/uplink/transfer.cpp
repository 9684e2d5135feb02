#include "services/uplink/transfer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "hal/base/error.hpp"

namespace services::uplink {

using hal::Code;
using hal::Error;
using hal::async::Task;

namespace {

constexpr std::chrono::minutes stall_time_max{10};
// From the end of the request to the head of the answer.
constexpr std::chrono::minutes answer_time_max{5};
constexpr std::size_t answer_fields_max = 256;
// What libcurl is told to connect to; the relay knows better (RFC 5737: an address nobody has).
constexpr auto nowhere = "192.0.2.1";
constexpr auto system_roots = "/etc/ssl/certs";

bool equal_names(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

// RFC 9110 7.6.1: of one connection, not of the message.
bool is_of_connection(std::string_view name) {
    constexpr std::array<std::string_view, 9> names{"connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-connection",
                                                    "te",         "trailer",    "transfer-encoding",  "upgrade"};
    return std::ranges::any_of(names, [&](std::string_view one) { return equal_names(one, name); });
}

}  // namespace

template <class Value>
void Transfer::set(CURLoption option, Value value) {
    if (const auto failure = transfers_.curl().easy_setopt(easy_.get(), option, value); failure != CURLE_OK)
        throw Error(Code::internal, "libcurl refuses option " + std::to_string(option) + ": " + transfers_.curl().easy_strerror(failure));
}

Transfer::Transfer(Transfers& transfers, Outgoing outgoing)
    : transfers_(transfers),
      outgoing_(std::move(outgoing)),
      fields_(nullptr, transfers.curl().slist_free_all),
      connect_to_(nullptr, transfers.curl().slist_free_all),
      easy_(transfers.curl().easy_init(), transfers.curl().easy_cleanup),
      changed_(transfers.executor()) {
    if (!easy_) throw Error(Code::exhausted, "libcurl: no memory");
    set_options();
    set_fields();
    set_proxy();
    if (outgoing_.url.scheme == "https") set_tls();
    transfers_.add(easy_.get());
    is_added_ = true;
}

Transfer::~Transfer() {
    if (is_added_) transfers_.remove(easy_.get());
}

void Transfer::set_options() {
    const auto& url = outgoing_.url;
    const bool is_by_proxy = outgoing_.proxy && url.scheme == "http";  // else tunnelled
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_URL, (url.scheme + "://" + url.authority() + "/").c_str());
    // To the letter, whatever libcurl thinks of it.
    set(CURLOPT_REQUEST_TARGET, (is_by_proxy ? url.scheme + "://" + url.authority() + url.target : url.target).c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, 30'000L);
    set(CURLOPT_BUFFERSIZE, 16L * 1024);
    set(CURLOPT_UPLOAD_BUFFERSIZE, 16L * 1024);
    set(CURLOPT_READFUNCTION, &Transfer::on_read);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_write);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_SOCKOPTFUNCTION, &Transfer::on_opened);
    set(CURLOPT_SOCKOPTDATA, this);
    if (outgoing_.has_body) {
        set(CURLOPT_UPLOAD, 1L);
        set(CURLOPT_INFILESIZE_LARGE, outgoing_.body_bytes ? static_cast<curl_off_t>(*outgoing_.body_bytes) : curl_off_t{-1});
    } else if (outgoing_.method == "HEAD") {
        set(CURLOPT_NOBODY, 1L);
    }
    set(CURLOPT_CUSTOMREQUEST, outgoing_.method.c_str());
}

void Transfer::set_fields() {
    const auto add = [&](const std::string& line) {
        auto* longer = transfers_.curl().slist_append(fields_.get(), line.c_str());
        if (!longer) throw Error(Code::exhausted, "libcurl: no memory");
        fields_.release();  // the same list, or the head of a new one
        fields_.reset(longer);
    };
    // What libcurl would add by itself.
    for (const auto* own : {"Accept:", "Expect:", "User-Agent:"})
        if (std::ranges::none_of(outgoing_.fields, [&](const auto& field) { return equal_names(field.first + ":", own); })) add(own);
    for (const auto& [name, value] : outgoing_.fields) {
        if (is_of_connection(name) || equal_names(name, "Content-Length")) continue;
        if (value.find_first_of("\r\n") != std::string::npos || name.find_first_of("\r\n:;") != std::string::npos) continue;
        add(value.empty() ? name + ";" : name + ": " + value);
    }
    set(CURLOPT_HTTPHEADER, fields_.get());
}

void Transfer::set_proxy() {
    set(CURLOPT_NOPROXY, "");
    if (!outgoing_.proxy) {
        set(CURLOPT_PROXY, "");  // nor one of the environment
        connect_to_.reset(transfers_.curl().slist_append(nullptr, (std::string("::") + nowhere + ":").c_str()));
        set(CURLOPT_CONNECT_TO, connect_to_.get());
        return;
    }
    const auto& proxy = *outgoing_.proxy;
    set(CURLOPT_PROXY, (std::string("http://") + nowhere + ":" + std::to_string(proxy.url.port)).c_str());
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (proxy.user.empty()) return;
    set(CURLOPT_PROXYUSERNAME, proxy.user.c_str());
    set(CURLOPT_PROXYPASSWORD, proxy.password.c_str());
    // At once and not when asked: a body that is on its way cannot be sent twice.
    set(CURLOPT_PROXYAUTH, static_cast<long>(CURLAUTH_BASIC));
}

void Transfer::set_tls() {
    const auto& credentials = outgoing_.destination->credentials;
    const auto set_blob = [this](CURLoption option, const std::string& text) {
        curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};  // the settings live as long as the process
        set(option, &blob);
    };
    set(CURLOPT_CAINFO, static_cast<const char*>(nullptr));
    if (credentials.ca_pem.empty()) {
        // By its hash, a root at a time: the whole bundle would be 3 MB of memory.
        set(CURLOPT_CAPATH, system_roots);
    } else {
        set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
        set_blob(CURLOPT_CAINFO_BLOB, credentials.ca_pem);
    }
    if (credentials.certificate_pem.empty()) return;
    set_blob(CURLOPT_SSLCERT_BLOB, credentials.certificate_pem);
    set_blob(CURLOPT_SSLKEY_BLOB, credentials.key_pem);
}

curl_socket_t Transfer::on_open(void* self, curlsocktype, curl_sockaddr*) {
    auto& transfer = *static_cast<Transfer*>(self);
    const auto& url = transfer.outgoing_.proxy ? transfer.outgoing_.proxy->url : transfer.outgoing_.url;
    transfer.connection_ = std::make_shared<Connection>(Connection{url.host, {}, false});
    try {
        return transfer.transfers_.relays().open({url.host, url.port}, transfer.transfers_.which(), transfer.connection_);
    } catch (const Error& failure) {
        transfer.connection_->failure = failure;
        return CURL_SOCKET_BAD;
    }
}

int Transfer::on_opened(void*, curl_socket_t, curlsocktype) { return CURL_SOCKOPT_ALREADY_CONNECTED; }

std::size_t Transfer::on_read(char* into, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const auto bytes = std::min(size * count, transfer.upload_.size());
    if (bytes == 0 && !transfer.is_body_ended_) {
        transfer.is_read_paused_ = true;
        return CURL_READFUNC_PAUSE;
    }
    std::memcpy(into, transfer.upload_.data(), bytes);
    transfer.upload_.erase(0, bytes);
    if (transfer.upload_.empty()) transfer.changed_.set();
    return bytes;
}

std::size_t Transfer::on_write(char* from, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.download_.size() >= buffer_bytes) {
        transfer.is_write_paused_ = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    transfer.download_.append(from, size * count);
    transfer.changed_.set();
    return size * count;
}

std::size_t Transfer::on_header(char* from, std::size_t size, std::size_t count, void* self) {
    static_cast<Transfer*>(self)->take_header({from, size * count});
    return size * count;
}

void Transfer::take_header(std::string_view line) {
    if (is_headed_) return;  // trailers
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {
        answer_ = {};
        const auto space = line.find(' ');
        if (space != line.npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), answer_.status);
        return;
    }
    if (line.empty()) {
        is_headed_ = answer_.status >= 200;  // 1xx: the real one follows
        if (answer_.status == 407 && outgoing_.proxy) is_headed_ = false;  // the proxy's, not the destination's
        if (is_headed_) changed_.set();
        return;
    }
    const auto colon = line.find(':');
    if (colon == line.npos || answer_.fields.size() >= answer_fields_max) return;
    auto value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    const auto name = line.substr(0, colon);
    if (!is_of_connection(name)) answer_.fields.emplace_back(name, value);
}

void Transfer::finished(CURLcode result) {
    result_ = result;
    is_finished_ = true;
    changed_.set();
}

void Transfer::resume() {
    if (is_finished_) return;
    is_read_paused_ = is_write_paused_ = false;
    transfers_.curl().easy_pause(easy_.get(), CURLPAUSE_CONT);
    transfers_.poke();
}

Task<> Transfer::offer(std::string piece) {
    upload_ += piece;
    if (is_read_paused_) resume();
    while (!upload_.empty() && !is_settled()) {
        changed_.clear();
        if (!co_await changed_.wait_for(stall_time_max)) throw Failure(client::no_answer, outgoing_.destination->name + ": nothing was taken for 10 minutes");
    }
}

void Transfer::end_body() {
    is_body_ended_ = true;
    if (is_read_paused_) resume();
}

// What libcurl says, in the words of this wire.
void Transfer::fail() const {
    const auto& curl = transfers_.curl();
    const std::string to = outgoing_.destination->name + " (" + outgoing_.url.authority() + ")";
    if (connection_ && connection_->failure) throw Failure(client::unreachable, to + ": " + connection_->failure->what());
    long connect_code = 0;
    curl.easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &connect_code);
    const std::string why = error_[0] != '\0' ? error_.data() : curl.easy_strerror(result_);
    if (outgoing_.proxy && (connect_code == 407 || connect_code == 403 || answer_.status == 407))
        throw Failure(client::proxy_refused, "the office proxy refuses " + to + " with status " + std::to_string(connect_code ? connect_code : answer_.status));
    switch (result_) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_CONNECT_ERROR: throw Failure(client::not_trusted, to + ": " + why);
        case CURLE_OPERATION_TIMEDOUT: throw Failure(client::no_answer, to + ": " + why);
        default: throw Failure(client::unreachable, to + ": " + why);
    }
}

Task<Answer> Transfer::head() {
    while (!is_headed_ && !is_finished_) {
        changed_.clear();
        if (!co_await changed_.wait_for(answer_time_max)) throw Failure(client::no_answer, outgoing_.destination->name + ": no answer within 5 minutes");
    }
    if (!is_headed_) fail();
    co_return answer_;
}

Task<std::string> Transfer::read() {
    while (download_.empty() && !is_finished_) {
        changed_.clear();
        co_await changed_.wait();
    }
    auto piece = std::move(download_);
    download_.clear();
    if (is_write_paused_) resume();
    if (piece.empty() && result_ != CURLE_OK) fail();
    co_return piece;
}

}  // namespace services::uplink
