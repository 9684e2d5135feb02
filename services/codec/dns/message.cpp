#include "services/codec/dns/message.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>

namespace services::codec::dns {

namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t name_octets_max = 255;
constexpr std::size_t label_octets_max = 63;
constexpr std::size_t opt_bytes = 11;

struct Reader {
    std::string_view bytes;
    std::size_t at = 0;
    bool good = true;

    std::uint8_t u8() {
        if (at >= bytes.size()) {
            good = false;
            return 0;
        }
        return static_cast<std::uint8_t>(bytes[at++]);
    }
    std::uint16_t u16() {
        const std::uint16_t high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    std::string name();
};

void append_label(std::string& text, std::string_view label) {
    if (!text.empty()) text += '.';
    for (const char c : label) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '.' || c == '\\' || byte <= ' ' || byte >= 127) {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\%03u", byte);
            text += escaped;
        } else {
            text += c;
        }
    }
}

std::string Reader::name() {
    std::string text;
    std::size_t octets = 1, from = at, limit = at;
    bool jumped = false;
    for (;;) {
        if (from >= bytes.size()) break;
        const auto length = static_cast<std::uint8_t>(bytes[from]);
        if (length == 0) {
            if (!jumped) at = from + 1;
            return text;
        }
        if ((length & 0xC0) == 0xC0) {
            if (from + 1 >= bytes.size()) break;
            const std::size_t target = (length & 0x3FU) << 8 | static_cast<std::uint8_t>(bytes[from + 1]);
            if (target >= limit) break;  // only backwards: so this ends
            if (!jumped) at = from + 2;
            jumped = true;
            from = limit = target;
            continue;
        }
        if ((length & 0xC0) != 0 || from + 1 + length > bytes.size()) break;
        octets += length + 1U;
        if (octets > name_octets_max) break;
        append_label(text, bytes.substr(from + 1, length));
        from += length + 1U;
    }
    good = false;
    return text;
}

// The rdata with its names written out, for the types whose names may be compressed (RFC 3597 4).
std::string read_rdata(Reader& reader, std::uint16_t type, std::size_t length) {
    const std::size_t end = reader.at + length;
    if (end > reader.bytes.size()) {
        reader.good = false;
        return "";
    }
    const auto raw = [&](std::size_t count) {
        if (reader.at + count > end) {
            reader.good = false;
            return std::string();
        }
        reader.at += count;
        return std::string(reader.bytes.substr(reader.at - count, count));
    };
    std::string out;
    const auto one_name = [&] {
        const auto wire = name_rdata(reader.name());
        if (!wire) reader.good = false;
        out += wire.value_or("");
    };
    switch (type) {
        case NS:
        case CNAME:
        case PTR: one_name(); break;
        case MX: out = raw(2); one_name(); break;
        case SRV: out = raw(6); one_name(); break;
        case SOA: one_name(); one_name(); out += raw(20); break;
        default: out = raw(length); break;
    }
    if (reader.at != end) reader.good = false;
    return out;
}

void put16(std::string& out, std::size_t value) {
    out += static_cast<char>(value >> 8 & 0xFF);
    out += static_cast<char>(value & 0xFF);
}
void put32(std::string& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xFFFF);
}

struct Writer {
    std::string out;
    std::map<std::string, std::size_t> places;  // lowered wire suffix -> offset

    void name(const std::string& text) {
        const auto wire = name_rdata(text).value_or(std::string(1, '\0'));
        std::size_t at = 0;
        while (wire[at] != '\0') {
            // Names are compared without regard to case, but told in the asker's: only an equal spelling is shared.
            const auto suffix = wire.substr(at);
            if (const auto it = places.find(suffix); it != places.end()) return put16(out, 0xC000 | it->second);
            if (out.size() < 0x3FFF) places.emplace(suffix, out.size());
            const auto length = static_cast<std::size_t>(static_cast<unsigned char>(wire[at])) + 1;
            out += wire.substr(at, length);
            at += length;
        }
        out += '\0';
    }
    void record(const Record& record) {
        name(record.name);
        put16(out, record.type);
        put16(out, record.klass);
        put32(out, record.ttl);
        put16(out, record.rdata.size());
        out += record.rdata;
    }
};

}  // namespace

std::optional<Message> decode(std::string_view bytes) {
    if (bytes.size() < header_bytes || bytes.size() > message_bytes_max) return std::nullopt;
    Reader reader{bytes};
    Message message;
    message.id = reader.u16();
    const auto flags = reader.u16();
    message.is_response = (flags & 0x8000) != 0;
    message.opcode = flags >> 11 & 0xF;
    message.is_authoritative = (flags & 0x0400) != 0;
    message.is_truncated = (flags & 0x0200) != 0;
    message.recursion_desired = (flags & 0x0100) != 0;
    message.recursion_available = (flags & 0x0080) != 0;
    message.rcode = static_cast<Rcode>(flags & 0xF);
    const std::size_t questions = reader.u16();
    const std::size_t counts[] = {reader.u16(), reader.u16(), reader.u16()};
    if (questions > 16 || counts[0] + counts[1] + counts[2] > records_max) return std::nullopt;
    for (std::size_t i = 0; i < questions; ++i) {
        Question question;
        question.name = reader.name();
        question.type = reader.u16();
        question.klass = reader.u16();
        if (!reader.good) return std::nullopt;
        message.questions.push_back(std::move(question));
    }
    std::vector<Record>* const sections[] = {&message.answers, &message.authorities, &message.additionals};
    for (int section = 0; section < 3; ++section) {
        for (std::size_t i = 0; i < counts[section]; ++i) {
            Record record;
            record.name = reader.name();
            record.type = reader.u16();
            record.klass = reader.u16();
            record.ttl = reader.u32();
            const std::size_t length = reader.u16();
            record.rdata = read_rdata(reader, record.type, length);
            if (!reader.good) return std::nullopt;
            if (record.type == OPT) {
                message.has_edns = true;
                message.edns_udp_bytes = record.klass;
            } else {
                sections[section]->push_back(std::move(record));
            }
        }
    }
    return message;
}

std::string encode(const Message& message, std::size_t bytes_max) {
    bytes_max = std::min(bytes_max, message_bytes_max);
    Writer writer;
    writer.out.resize(header_bytes);
    for (const auto& question : message.questions) {
        writer.name(question.name);
        put16(writer.out, question.type);
        put16(writer.out, question.klass);
    }
    const std::size_t kept = message.has_edns ? opt_bytes : 0;
    std::size_t counts[3] = {};
    bool truncated = message.is_truncated, full = false;
    const std::vector<Record>* const sections[] = {&message.answers, &message.authorities, &message.additionals};
    for (int section = 0; section < 3 && !full; ++section) {
        for (const auto& record : *sections[section]) {
            const auto before = writer.out.size();
            writer.record(record);
            if (writer.out.size() + kept > bytes_max) {
                // What was remembered beyond is never used: nothing is written after this.
                writer.out.resize(before);
                full = true;
                if (section < 2) truncated = true;  // additional records are a courtesy (RFC 2181 9)
                break;
            }
            ++counts[section];
        }
    }
    if (message.has_edns) {
        writer.out += '\0';
        put16(writer.out, OPT);
        put16(writer.out, message.edns_udp_bytes);
        put32(writer.out, 0);
        put16(writer.out, 0);
        ++counts[2];
    }
    std::string header;
    put16(header, message.id);
    put16(header, (message.is_response ? 0x8000U : 0U) | static_cast<unsigned>(message.opcode & 0xF) << 11 |
                      (message.is_authoritative ? 0x0400U : 0U) | (truncated ? 0x0200U : 0U) |
                      (message.recursion_desired ? 0x0100U : 0U) | (message.recursion_available ? 0x0080U : 0U) |
                      static_cast<unsigned>(message.rcode));
    put16(header, message.questions.size());
    for (const auto count : counts) put16(header, count);
    writer.out.replace(0, header_bytes, header);
    return std::move(writer.out);
}

std::string lowered(std::string_view name) {
    std::string result(name);
    for (auto& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::string address_rdata(std::string_view ip) {
    const std::string text(ip);
    char bytes[16];
    if (::inet_pton(AF_INET, text.c_str(), bytes) == 1) return std::string(bytes, 4);
    if (::inet_pton(AF_INET6, text.c_str(), bytes) == 1) return std::string(bytes, 16);
    return "";
}

std::optional<std::string> name_rdata(std::string_view name) {
    std::string wire, label;
    const auto finish = [&] {
        if (label.empty() || label.size() > label_octets_max) return false;
        wire += static_cast<char>(label.size());
        wire += label;
        label.clear();
        return true;
    };
    if (name.ends_with('.')) name.remove_suffix(1);
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '.') {
            if (!finish()) return std::nullopt;
        } else if (name[i] == '\\' && i + 3 < name.size() && std::isdigit(static_cast<unsigned char>(name[i + 1]))) {
            int byte = 0;
            for (int digit = 0; digit < 3; ++digit) byte = byte * 10 + (name[++i] - '0');
            label += static_cast<char>(byte);
        } else {
            label += name[i];
        }
    }
    if (!name.empty() && !finish()) return std::nullopt;
    wire += '\0';
    if (wire.size() > name_octets_max) return std::nullopt;
    return wire;
}

std::optional<std::string> srv_rdata(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target) {
    const auto wire = name_rdata(target);
    if (!wire) return std::nullopt;
    std::string out;
    for (const auto value : {priority, weight, port}) put16(out, value);
    return out + *wire;
}

std::optional<std::string> soa_rdata(const Soa& soa) {
    const auto primary = name_rdata(soa.primary), mailbox = name_rdata(soa.mailbox);
    if (!primary || !mailbox) return std::nullopt;
    std::string out = *primary + *mailbox;
    for (const auto value : {soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum}) put32(out, value);
    return out;
}

std::string reverse_address(std::string_view name) {
    const bool is_v4 = name.ends_with(".in-addr.arpa"), is_v6 = name.ends_with(".ip6.arpa");
    if (!is_v4 && !is_v6) return "";
    name.remove_suffix(is_v4 ? 13 : 9);
    std::vector<std::string> labels(1);
    for (const char c : name) {
        if (c == '.')
            labels.emplace_back();
        else
            labels.back() += c;
    }
    std::ranges::reverse(labels);
    std::string text;
    if (is_v4) {
        if (labels.size() != 4) return "";
        for (const auto& label : labels) text += (text.empty() ? "" : ".") + label;
    } else {
        if (labels.size() != 32) return "";
        for (std::size_t i = 0; i < labels.size(); ++i) text += (i != 0 && i % 4 == 0 ? ":" : "") + labels[i];
    }
    const auto bytes = address_rdata(text);
    char canonical[INET6_ADDRSTRLEN] = "";
    if (bytes.empty() || ::inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes.data(), canonical, sizeof canonical) == nullptr) return "";
    return canonical;
}

}  // namespace services::codec::dns
