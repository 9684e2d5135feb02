#include "hal/net/tls.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <mbedtls/version.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "hal/base/error.hpp"
#include "hal/net/mbedtls.hpp"
#include "hal/net/outbox.hpp"

namespace hal::net {

namespace {

namespace asio = async::asio;

// What one read from the plain stream takes, and how much ciphertext a write gathers before it is sent.
constexpr std::size_t cipher_read_bytes = 16 * 1024;
constexpr std::size_t cipher_write_bytes = 64 * 1024;

using Config = mbed::Owned<mbedtls_ssl_config, mbedtls_ssl_config_init, mbedtls_ssl_config_free>;
using Session = mbed::Owned<mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free>;

void start_crypto() {
    static const auto status = psa_crypto_init();  // TLS 1.3 computes through PSA
    if (status != PSA_SUCCESS) throw Error(Code::internal, "crypto could not be started: PSA status " + std::to_string(status));
}

// What both kinds of context hold: mbedTLS keeps pointers to all of it.
struct Material {
    Config config;
    mbed::Chain certificate;
    mbed::Key key;
    mbed::Chain roots;
    std::vector<std::string> alpn;
    std::vector<const char*> alpn_pointers;

    void set_up(int side, const std::string& certificate_pem, const std::string& key_pem, const std::string& roots_pem) {
        start_crypto();
        mbed::check(mbedtls_ssl_config_defaults(config.get(), side, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT),
                    "TLS configuration");
        mbedtls_ssl_conf_rng(config.get(), mbed::random_source, nullptr);
        mbedtls_ssl_conf_min_tls_version(config.get(), MBEDTLS_SSL_VERSION_TLS1_2);
        mbedtls_ssl_conf_renegotiation(config.get(), MBEDTLS_SSL_RENEGOTIATION_DISABLED);
        if (!certificate_pem.empty()) {
            mbed::parse_chain(certificate, certificate_pem, "TLS certificate");
            mbed::parse_key(key, key_pem, "TLS key");
            mbed::check(mbedtls_pk_check_pair(&certificate->pk, key.get(), mbed::random_source, nullptr),
                        "TLS key does not belong to the certificate");
            mbed::check(mbedtls_ssl_conf_own_cert(config.get(), certificate.get(), key.get()), "TLS certificate");
        }
        if (!roots_pem.empty()) {
            mbed::parse_chain(roots, roots_pem, "TLS trusted roots");
            mbedtls_ssl_conf_ca_chain(config.get(), roots.get(), nullptr);
        }
        for (const auto& name : alpn) alpn_pointers.push_back(name.c_str());
        if (alpn_pointers.empty()) return;
        alpn_pointers.push_back(nullptr);
        mbed::check(mbedtls_ssl_conf_alpn_protocols(config.get(), alpn_pointers.data()), "ALPN names");
    }
};

class ServerContext : public TlsServerContext {
public:
    explicit ServerContext(const TlsServerOptions& options) {
        if (options.certificate_pem.empty()) throw Error(Code::invalid, "a TLS server needs a certificate");
        material.alpn = options.alpn;
        material.set_up(MBEDTLS_SSL_IS_SERVER, options.certificate_pem, options.key_pem, options.client_ca_pem);
        // OPTIONAL lets the handshake pass; what the chain check found is judged after it (tls_accept).
        mbedtls_ssl_conf_authmode(material.config.get(),
                                  options.client_ca_pem.empty() ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_OPTIONAL);
    }
    Material material;
};

class ClientContext : public TlsClientContext {
public:
    explicit ClientContext(const TlsClientOptions& options) : verify(options.verify) {
        if (verify && options.ca_pem.empty()) throw Error(Code::invalid, "a TLS client that verifies needs trusted roots");
        material.alpn = options.alpn;
        material.set_up(MBEDTLS_SSL_IS_CLIENT, options.certificate_pem, options.key_pem, options.ca_pem);
        mbedtls_ssl_conf_authmode(material.config.get(), verify ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
    }
    Material material;
    bool verify;
};

bool is_ip(const std::string& name) {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// RFC 6125 has no place for addresses in SNI (RFC 6066 3), so an address is compared here and not sent.
bool certificate_has_address(const mbedtls_x509_crt& certificate, const std::string& address) {
    unsigned char bytes[16];
    std::size_t size = 4;
    if (::inet_pton(AF_INET, address.c_str(), bytes) != 1) {
        size = 16;
        if (::inet_pton(AF_INET6, address.c_str(), bytes) != 1) return false;
    }
    for (const auto* name = &certificate.subject_alt_names; name != nullptr; name = name->next) {
        constexpr int ip_address_tag = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_IP_ADDRESS;
        if (name->buf.tag == ip_address_tag && name->buf.len == size && std::memcmp(name->buf.p, bytes, size) == 0)
            return true;
    }
    return false;
}

std::string verify_text(std::uint32_t flags) {
    char text[512];
    const auto written = mbedtls_x509_crt_verify_info(text, sizeof text, "", flags);
    std::string result = written > 0 ? std::string(text, static_cast<std::size_t>(written)) : "not trusted";
    while (!result.empty() && result.back() == '\n') result.pop_back();
    std::ranges::replace(result, '\n', ' ');
    return result;
}

// mbedTLS reads from and writes to two buffers; the coroutines move those over the plain stream. A reader and a writer
// may both have ciphertext to send (an alert, a key update): the outbox sends in the order it was made.
class TlsStream : public Stream {
public:
    TlsStream(StreamPtr plain, std::shared_ptr<const void> context, async::Executor executor)
        : plain_(std::move(plain)), context_(std::move(context)), outbox_(std::move(executor)) {}
    // Before the session goes, nothing of the plain stream may still refer to its buffers.
    ~TlsStream() override { plain_->close(); }

    void set_up(const Material& material) {
        mbed::check(mbedtls_ssl_setup(session_.get(), material.config.get()), "TLS session");
        mbedtls_ssl_set_bio(session_.get(), this, &TlsStream::send, &TlsStream::receive, nullptr);
    }
    mbedtls_ssl_context* session() { return session_.get(); }

    Task<> handshake() {
        for (;;) {
            const int result = mbedtls_ssl_handshake(session_.get());
            if (result == 0) break;
            if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE) {
                const auto failure = failure_of(result, "TLS handshake with ");
                co_await flush_quietly();  // the alert that says why
                throw failure;
            }
            co_await flush();
            if (result == MBEDTLS_ERR_SSL_WANT_READ) co_await fill();
        }
        co_await flush();
        if (const char* alpn = mbedtls_ssl_get_alpn_protocol(session_.get())) peer_.alpn = alpn;
    }

    void set_peer_certificate(const mbedtls_x509_crt& leaf) {
        peer_.certificate_der = std::string(reinterpret_cast<const char*>(leaf.raw.p), leaf.raw.len);
    }

    void set_certificate_problem(std::string problem) { peer_.certificate_problem = std::move(problem); }

    Task<std::size_t> read_some(std::span<std::byte> into) override {
        for (;;) {
            const int result = mbedtls_ssl_read(session_.get(), reinterpret_cast<unsigned char*>(into.data()), into.size());
            if (!outbox_.pending().empty()) co_await flush();
            if (result > 0) co_return static_cast<std::size_t>(result);
            switch (result) {
                case 0:
                case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
                case MBEDTLS_ERR_SSL_CONN_EOF: co_return 0;
                case MBEDTLS_ERR_SSL_WANT_READ: co_await fill(); break;
                case MBEDTLS_ERR_SSL_WANT_WRITE:
                case MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET: break;
                default: throw failure_of(result, "TLS read from ");
            }
        }
    }

    Task<> write(std::span<const std::byte> from) override {
        while (!from.empty()) {
            const int result = mbedtls_ssl_write(session_.get(), reinterpret_cast<const unsigned char*>(from.data()), from.size());
            if (result <= 0 && result != MBEDTLS_ERR_SSL_WANT_WRITE) throw failure_of(result, "TLS write to ");
            if (result > 0) from = from.subspan(static_cast<std::size_t>(result));
            if (outbox_.pending().size() >= cipher_write_bytes || from.empty()) co_await flush();
        }
    }

    Task<> finish_writing() override {
        mbedtls_ssl_close_notify(session_.get());
        co_await flush();
        co_await plain_->finish_writing();
    }

    void close() noexcept override { plain_->close(); }
    [[nodiscard]] Endpoint local() const override { return plain_->local(); }
    [[nodiscard]] Endpoint remote() const override { return plain_->remote(); }
    [[nodiscard]] const TlsPeer* tls() const override { return &peer_; }
    [[nodiscard]] std::optional<unsigned> peer_uid() const override { return plain_->peer_uid(); }

private:
    static int send(void* self, const unsigned char* from, std::size_t count) {
        static_cast<TlsStream*>(self)->outbox_.pending().append(reinterpret_cast<const char*>(from), count);
        return static_cast<int>(count);
    }

    static int receive(void* self, unsigned char* into, std::size_t count) {
        auto& stream = *static_cast<TlsStream*>(self);
        const auto left = stream.incoming_end_ - stream.incoming_begin_;
        if (left == 0) return stream.is_at_end_ ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
        count = std::min(count, left);
        std::memcpy(into, stream.incoming_.data() + stream.incoming_begin_, count);
        stream.incoming_begin_ += count;
        return static_cast<int>(count);
    }

    Task<> fill() {
        if (incoming_.empty()) incoming_.resize(cipher_read_bytes);
        incoming_begin_ = incoming_end_ = 0;
        const auto count = co_await plain_->read_some(incoming_);
        incoming_end_ = count;
        is_at_end_ = count == 0;
    }

    Task<> flush() { return outbox_.flush(*plain_); }

    Task<> flush_quietly() {
        try {
            co_await flush();
        } catch (const Error&) {
            // The peer is gone already; the handshake's own failure is what the caller hears.
        }
    }

    Error failure_of(int result, const std::string& what) const {
        const auto message = what + plain_->remote().to_string() + ": ";
        if (result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || result == MBEDTLS_ERR_SSL_BAD_CERTIFICATE)
            return {Code::unauthenticated, message + verify_text(mbedtls_ssl_get_verify_result(session_.get()))};
        if (result == MBEDTLS_ERR_SSL_CONN_EOF) return {Code::unavailable, message + "the peer closed the connection"};
        return {Code::unavailable, message + mbed::text_of(result)};
    }

    StreamPtr plain_;
    std::shared_ptr<const void> context_;  // keeps the certificates that the session points to
    Session session_;
    TlsPeer peer_;
    std::vector<std::byte> incoming_;
    std::size_t incoming_begin_ = 0;
    std::size_t incoming_end_ = 0;
    bool is_at_end_ = false;
    Outbox outbox_;
};

Task<> shake_hands(TlsStream& stream, std::chrono::steady_clock::duration limit) {
    const auto started = std::chrono::steady_clock::now();
    try {
        co_await asio::co_spawn(co_await asio::this_coro::executor, stream.handshake(),
                                asio::cancel_after(limit, asio::use_awaitable));
    } catch (const Error& e) {
        if (e.code() != Code::cancelled || std::chrono::steady_clock::now() - started < limit) throw;
        throw Error(Code::timed_out, "TLS handshake with " + stream.remote().to_string() + ": not done in time");
    }
}

}  // namespace

std::shared_ptr<const TlsServerContext> TlsServerContext::make(const TlsServerOptions& options) {
    return std::make_shared<ServerContext>(options);
}

std::shared_ptr<const TlsClientContext> TlsClientContext::make(const TlsClientOptions& options) {
    return std::make_shared<ClientContext>(options);
}

Task<StreamPtr> tls_accept(StreamPtr plain, std::shared_ptr<const TlsServerContext> context,
                           std::chrono::steady_clock::duration limit) {
    const auto& material = static_cast<const ServerContext&>(*context).material;
    auto stream = std::make_unique<TlsStream>(std::move(plain), context, co_await asio::this_coro::executor);
    stream->set_up(material);
    co_await shake_hands(*stream, limit);
    if (const auto* leaf = mbedtls_ssl_get_peer_cert(stream->session())) {
        const auto flags = mbedtls_ssl_get_verify_result(stream->session());
        if (flags == 0)
            stream->set_peer_certificate(*leaf);
        else
            stream->set_certificate_problem(verify_text(flags));
    }
    co_return stream;
}

Task<StreamPtr> tls_connect(StreamPtr plain, std::shared_ptr<const TlsClientContext> context, std::string server_name,
                            std::chrono::steady_clock::duration limit) {
    const auto& client = static_cast<const ClientContext&>(*context);
    auto stream = std::make_unique<TlsStream>(std::move(plain), context, co_await asio::this_coro::executor);
    stream->set_up(client.material);
    const bool by_address = is_ip(server_name);
    mbed::check(mbedtls_ssl_set_hostname(stream->session(), by_address ? nullptr : server_name.c_str()), "TLS server name");
    co_await shake_hands(*stream, limit);
    const auto* leaf = mbedtls_ssl_get_peer_cert(stream->session());
    if (client.verify && by_address && (leaf == nullptr || !certificate_has_address(*leaf, server_name)))
        throw Error(Code::unauthenticated, "certificate of " + stream->remote().to_string() + " is not valid for " + server_name);
    if (leaf != nullptr) stream->set_peer_certificate(*leaf);
    co_return stream;
}

std::string tls_library_version() { return MBEDTLS_VERSION_STRING; }

}  // namespace hal::net
