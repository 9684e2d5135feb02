// What a name may look like, with the real server's messages (apimachinery pkg/util/validation, api/validate/content).
//
// Pure. Each `check_` returns one message per fault, none when the text is good. Texts are hostile: everything is linear
// in their length.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::kube::kinds {

using Messages = std::vector<std::string>;

Messages check_dns1123_label(std::string_view text);
Messages check_dns1123_subdomain(std::string_view text);
Messages check_dns1123_subdomain_with_underscore(std::string_view text);
Messages check_wildcard_dns1123_subdomain(std::string_view text);
Messages check_dns1035_label(std::string_view text);
Messages check_qualified_name(std::string_view text);  // a label key
Messages check_label_value(std::string_view text);
Messages check_c_identifier(std::string_view text);
Messages check_env_name(std::string_view text);          // IsEnvVarName
Messages check_relaxed_env_name(std::string_view text);  // IsRelaxedEnvVarName
Messages check_config_key(std::string_view text);        // key of a ConfigMap or Secret
Messages check_http_header_name(std::string_view text);
Messages check_port_name(std::string_view text);
Messages check_port_number(std::int64_t port);
Messages check_percent(std::string_view text);
Messages check_in_range(std::int64_t value, std::int64_t low, std::int64_t high);
Messages check_user_id(std::int64_t id);  // groups too

// A name that will have a suffix appended may end in '-' (NameIsDNSSubdomain and its sisters with prefix true).
std::string mask_trailing_dash(std::string_view name);

std::string max_length_message(std::size_t characters);  // "must be no more than N characters"
std::string range_message(std::int64_t low, std::int64_t high);
std::string regex_message(std::string_view message, std::string_view regex, std::initializer_list<std::string_view> examples);
inline constexpr std::string_view empty_message = "must be non-empty";
inline constexpr std::string_view negative_message = "must be greater than or equal to 0";
inline constexpr std::string_view immutable_message = "field is immutable";

// The canonical text of an address (RFC 5952), read as leniently as Go's ParseIPSloppy: leading zeros in IPv4 octets and
// IPv4-mapped IPv6 are taken. Empty when it is no address. `is_ipv6` of a mapped address is false, as in Go.
struct Address {
    std::string canonical;
    bool is_ipv6 = false;
    bool has_leading_zeros = false;
    bool is_mapped = false;
    std::uint8_t bytes[16] = {};  // IPv4: the last four
};
std::optional<Address> parse_address(std::string_view text);
struct Network {
    Address address;              // as written, host bits too
    int prefix_bits = 0;          // of its family
    bool has_leading_zeros = false;
    bool has_host_bits = false;
    std::string canonical;        // "10.0.0.0/8"
};
std::optional<Network> parse_network(std::string_view text);

}  // namespace services::kube::kinds
