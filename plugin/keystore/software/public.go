package software

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store"
)

// publicFile is what a .key file says.
type publicFile struct {
	owner  string
	key    key.Key
	timing keystore.Timing
}

// readPublic reads the .key file of a key, which must be of the zone.
func (s *Store) readPublic(name, zone string) (publicFile, error) {
	path := s.dir.Path(name + publicSuffix)
	text, err := s.read(name + publicSuffix)
	if err != nil {
		return publicFile{}, fmt.Errorf("public key: %w", err)
	}
	f, err := parsePublic(text)
	if err != nil {
		return publicFile{}, fmt.Errorf("%s: %w", path, err)
	}
	if store.FileName(f.owner) != store.FileName(zone) {
		return publicFile{}, fmt.Errorf("%s: the DNSKEY in it is of %s, not of %s", path, f.owner, zone)
	}
	return f, nil
}

// parsePublic reads the text of a .key file: one DNSKEY record, with timing
// metadata in comments.
func parsePublic(text string) (publicFile, error) {
	var f publicFile
	p := dns.NewZoneParser(strings.NewReader(text), ".", "")
	p.SetDefaultTTL(0) // the zone's policy has the TTL; the record may do without
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		record, isKey := rr.(*dns.DNSKEY)
		if !isKey || f.owner != "" {
			return publicFile{}, errors.New("one DNSKEY record and nothing else is expected")
		}
		public, err := base64.StdEncoding.DecodeString(record.PublicKey)
		if err != nil {
			return publicFile{}, fmt.Errorf("public key: %w", err)
		}
		rdata := append([]byte{byte(record.Flags >> 8), byte(record.Flags), record.Protocol, record.Algorithm}, public...)
		f.owner = record.Hdr.Name
		if f.key, err = key.FromDNSKEY(rdata); err == nil {
			err = f.key.Algorithm.Check()
		}
		if err != nil {
			return publicFile{}, err
		}
	}
	if err := p.Err(); err != nil {
		return publicFile{}, fmt.Errorf("no DNSKEY record: %w", err)
	}
	if f.owner == "" {
		return publicFile{}, errors.New("no DNSKEY record in it")
	}
	var fields lines
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, ";")
		if tag, value, found := strings.Cut(comment, ":"); ok && found {
			// "Created: 20260102030405 (Fri Jan  2 03:04:05 2026)"
			value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
			fields = append(fields, field{strings.TrimSpace(tag), value})
		}
	}
	f.timing, _ = parseTiming(fields) // comments are anybody's; what is no time is not ours
	return f, nil
}

// formatPublic writes a .key file.
func formatPublic(zone string, k key.Key, t keystore.Timing) []byte {
	what := map[policy.Role]string{policy.KSK: "key-signing", policy.ZSK: "zone-signing", policy.CSK: "combined-signing"}[k.Role]
	var b strings.Builder
	fmt.Fprintf(&b, "; This is a %s key, keyid %d, for %s\n", what, k.Tag, dns.Fqdn(zone))
	for _, f := range timingFields(t) {
		fmt.Fprintf(&b, "; %s: %s\n", f.tag, publicTime(f.value))
	}
	fmt.Fprintf(&b, "%s IN DNSKEY %d 3 %d %s\n", dns.Fqdn(zone), k.Flags, k.Algorithm, base64.StdEncoding.EncodeToString(k.Public))
	return []byte(b.String())
}
