#include "hal/net/netlink_message.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "hal/base/error.hpp"
#include "hal/net/netlink.hpp"

namespace hal::net::netlink {

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

RawAddress raw_address(const std::string& text) {
    char bytes[16];
    if (::inet_pton(AF_INET, text.c_str(), bytes) == 1) return {AF_INET, std::string(bytes, 4)};
    if (::inet_pton(AF_INET6, text.c_str(), bytes) == 1) return {AF_INET6, std::string(bytes, 16)};
    throw Error(Code::invalid, "\"" + text + "\" is not an IP address");
}

std::string address_text(std::string_view bytes) {
    char text[INET6_ADDRSTRLEN] = "";
    if (bytes.size() == 4)
        ::inet_ntop(AF_INET, bytes.data(), text, sizeof text);
    else if (bytes.size() == 16)
        ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

Message::Message(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    put(header);
}

void Message::append(std::string_view bytes) {
    bytes_.append(bytes);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()), '\0');
}

void Message::attribute(std::uint16_t type, std::string_view value) {
    nlattr header{};
    header.nla_type = type;
    header.nla_len = static_cast<std::uint16_t>(sizeof header + value.size());
    append({reinterpret_cast<const char*>(&header), sizeof header});
    append(value);
}

std::size_t Message::begin(std::uint16_t type) {
    const std::size_t start = bytes_.size();
    attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), std::string_view());
    return start;
}

void Message::end(std::size_t start) {
    const auto length = static_cast<std::uint16_t>(bytes_.size() - start);
    std::memcpy(bytes_.data() + start, &length, sizeof length);
}

std::string_view Message::finish(std::uint32_t sequence) {
    nlmsghdr header{};
    std::memcpy(&header, bytes_.data(), sizeof header);
    header.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    header.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &header, sizeof header);
    return bytes_;
}

void for_attributes(std::string_view bytes, const std::function<void(std::uint16_t, std::string_view)>& each) {
    nlattr header{};
    while (bytes.size() >= sizeof header) {
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return;
        each(header.nla_type & NLA_TYPE_MASK, bytes.substr(sizeof header, header.nla_len - sizeof header));
        bytes.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
    }
}

Descriptor open_socket(int protocol) {
    Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (fd.get() < 0) throw system_error("netlink socket");
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) throw system_error("bind a netlink socket");
    return fd;
}

int request(int fd, std::uint32_t sequence, Message& message,
            const std::function<void(std::uint16_t, std::string_view)>& each) {
    const auto bytes = message.finish(sequence);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
        throw system_error("send to netlink");
    std::vector<char> buffer(64 * 1024);
    std::size_t total = 0;
    for (;;) {
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw system_error("receive from netlink");
        total += static_cast<std::size_t>(got);
        if (total > dump_bytes_max) throw Error(Code::too_large, "netlink: the answer is over its limit");
        std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
        nlmsghdr header{};
        while (rest.size() >= sizeof header) {
            std::memcpy(&header, rest.data(), sizeof header);
            if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) break;
            auto payload = rest.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
            if (header.nlmsg_seq == sequence) {
                if (header.nlmsg_type == NLMSG_DONE) return 0;
                if (header.nlmsg_type == NLMSG_ERROR) {
                    nlmsgerr answer{};
                    if (!read_fixed(payload, answer)) return EPROTO;
                    return -answer.error;
                }
                if (each) each(header.nlmsg_type, payload);
            }
            rest.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
        }
    }
}

}  // namespace hal::net::netlink
