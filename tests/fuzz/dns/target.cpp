// What decodes must encode, and decode to as many records again.
#include <cstdint>
#include <cstdlib>

#include "services/codec/dns/message.hpp"

namespace dns = services::codec::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto message = dns::decode({reinterpret_cast<const char*>(bytes), size});
    if (!message) return 0;
    for (const auto& question : message->questions) dns::reverse_address(dns::lowered(question.name));
    const auto again = dns::decode(dns::encode(*message));
    if (!again) std::abort();
    if (!again->is_truncated && again->answers.size() != message->answers.size()) std::abort();
    if (dns::encode(*message, dns::udp_bytes_classic).size() > 65'535) std::abort();
    return 0;
}
