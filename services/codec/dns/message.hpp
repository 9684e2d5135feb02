// DNS messages (RFC 1035 4, EDNS0 of RFC 6891): bytes to structure and back. Pure; no sockets, no zone.
//
// decode() takes hostile bytes: compression pointers only ever go backwards, names are at most 255 octets, and a message
// that does not hold together is empty, not an exception. Names are text without the last dot, in the case they came in,
// with bytes that would be ambiguous written as \DDD (RFC 4343 2.1); compare them with lowered().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::codec::dns {

inline constexpr std::size_t message_bytes_max = 65'535;
inline constexpr std::size_t records_max = 4'096;
inline constexpr std::size_t udp_bytes_classic = 512;

enum Type : std::uint16_t { A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, OPT = 41, ANY = 255 };
enum class Rcode : std::uint8_t { no_error = 0, format_error = 1, server_failure = 2, name_error = 3, not_implemented = 4, refused = 5 };

struct Question {
    std::string name;
    std::uint16_t type = A;
    std::uint16_t klass = 1;  // IN
};

struct Record {
    std::string name;
    std::uint16_t type = A;
    std::uint16_t klass = 1;
    std::uint32_t ttl = 0;
    std::string rdata;  // wire form, its names uncompressed
};

struct Message {
    std::uint16_t id = 0;
    bool is_response = false, is_authoritative = false, is_truncated = false;
    bool recursion_desired = false, recursion_available = false;
    std::uint8_t opcode = 0;
    Rcode rcode = Rcode::no_error;
    std::vector<Question> questions;
    std::vector<Record> answers, authorities, additionals;  // OPT is not among them
    bool has_edns = false;
    std::uint16_t edns_udp_bytes = 0;
};

std::optional<Message> decode(std::string_view bytes);
// At most `bytes_max`: what does not fit is left out, record by record from the end, and TC is set if it was an answer.
std::string encode(const Message& message, std::size_t bytes_max = message_bytes_max);

std::string lowered(std::string_view name);
// "10.42.0.5" or "fe80::1" as 4 or 16 bytes; empty when it is neither.
std::string address_rdata(std::string_view ip);
// rdata of names; a name that cannot be one (a label over 63 octets) is nullopt.
std::optional<std::string> name_rdata(std::string_view name);
std::optional<std::string> srv_rdata(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target);
struct Soa {
    std::string primary, mailbox;
    std::uint32_t serial, refresh, retry, expire, minimum;
};
std::optional<std::string> soa_rdata(const Soa& soa);
// The address that "5.0.42.10.in-addr.arpa" (or ip6.arpa) asks for; empty when it is no whole address.
std::string reverse_address(std::string_view lowered_name);

}  // namespace services::codec::dns
