package key

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Keys with their DS records as the RFCs print them.
var vectors = []struct {
	name, origin string
	flags        uint16
	algorithm    policy.Algorithm
	public       string
	tag          uint16
	digest       uint8
	ds           string
}{
	{"RFC 6605 section 6.1", "example.net.", 257, 13,
		"GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
		55648, SHA256, "b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"},
	{"RFC 6605 section 6.2", "example.net.", 257, 14,
		"xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40",
		10771, SHA384, "72d7b62976ce06438e9c0bf319013cf801f09ecc84b8d7e9495f27e305c6a9b0563a9b5f4d288405c3008a946df983d6"},
	{"RFC 8080 section 6.1", "example.com.", 257, 15,
		"l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
		3613, SHA256, "3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b"},
	{"RFC 8080 section 6.1, second", "example.com.", 257, 15,
		"zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=",
		35217, SHA256, "401781b934e392de492ec77ae2e15d70f6575a1c0bc59c5275c04ebe80c6614c"},
	{"RFC 4509 section 2.3", "dskey.example.com.", 256, 5,
		"AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==",
		60485, SHA256, "d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a"},
	{"the root's KSK-2017", ".", 257, 8,
		"AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=",
		20326, SHA256, "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"},
}

func wire(t *testing.T, name string) []byte {
	t.Helper()
	buf := make([]byte, 255)
	n, err := dns.PackDomainName(name, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestVectors_TagDSAndKey(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			public, err := base64.StdEncoding.DecodeString(v.public)
			if err != nil {
				t.Fatal(err)
			}
			k := Key{Algorithm: v.algorithm, Flags: v.flags, Public: public}
			k.Tag = Tag(k.DNSKEY())
			if k.Tag != v.tag {
				t.Errorf("tag %d, want %d", k.Tag, v.tag)
			}
			ds, err := k.DS(wire(t, strings.ToUpper(v.origin)), v.digest)
			if err != nil || hex.EncodeToString(ds[4:]) != v.ds {
				t.Errorf("DS %x, %v; want %s", ds, err, v.ds)
			}
			if want := []byte{byte(v.tag >> 8), byte(v.tag), byte(v.algorithm), v.digest}; !bytes.Equal(ds[:4], want) {
				t.Errorf("DS begins with %x, want %x", ds[:4], want)
			}
			if cds, err := k.CDS(wire(t, v.origin), v.digest); err != nil || !bytes.Equal(cds, ds) {
				t.Errorf("CDS %x, %v; want the DS", cds, err)
			}
			if v.algorithm.Check() != nil {
				return
			}
			got, err := FromDNSKEY(k.DNSKEY())
			if err != nil {
				t.Fatal(err)
			}
			if got.Role = 0; got.PublicDigest() != k.PublicDigest() || got.Tag != k.Tag || got.Flags != k.Flags {
				t.Errorf("FromDNSKEY gave %+v", got)
			}
			if !bytes.Equal(k.CDNSKEY(), k.DNSKEY()) {
				t.Error("CDNSKEY is not DNSKEY")
			}
		})
	}
}

func TestDS_OtherDigestsAreRefused(t *testing.T) {
	for _, digest := range []uint8{0, 1, 3, 5} {
		if ds, err := (Key{}).DS([]byte{0}, digest); err == nil {
			t.Errorf("digest type %d gave %x", digest, ds)
		}
	}
}

// TestTag_IsMiekgs compares with another implementation, for odd lengths too.
func TestTag_IsMiekgs(t *testing.T) {
	public := make([]byte, 300)
	for i := range public {
		public[i] = byte(i * 7)
		rr := &dns.DNSKEY{Flags: 257, Protocol: 3, Algorithm: 8, PublicKey: base64.StdEncoding.EncodeToString(public[:i])}
		k := Key{Algorithm: 8, Flags: 257, Public: public[:i]}
		if got, want := Tag(k.DNSKEY()), rr.KeyTag(); got != want {
			t.Errorf("%d octets: tag %d, want %d", i, got, want)
		}
	}
}

func generated(t *testing.T) map[policy.Algorithm]crypto.Signer {
	t.Helper()
	r, err1 := rsa.GenerateKey(rand.Reader, 1024)
	p256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err3 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[policy.Algorithm]crypto.Signer{8: r, 10: r, 13: p256, 14: p384, 15: ed}
}

func TestNew_PublicKeysComeBack(t *testing.T) {
	for alg, signer := range generated(t) {
		for role, flags := range map[policy.Role]uint16{policy.KSK: 257, policy.CSK: 257, policy.ZSK: 256} {
			k, err := New(role, alg, signer.Public())
			if err != nil {
				t.Fatal(err)
			}
			if k.Flags != flags || k.Role != role || k.Tag != Tag(k.DNSKEY()) {
				t.Errorf("%s %s: key %+v, want flags %d", alg, role, k, flags)
			}
			pub, err := k.PublicKey()
			if err != nil || !pub.(interface{ Equal(crypto.PublicKey) bool }).Equal(signer.Public()) {
				t.Errorf("%s: public key %v, %v; want the signer's", alg, pub, err)
			}
			if got := k.SignatureSize(); got != map[policy.Algorithm]int{8: 128, 10: 128, 13: 64, 14: 96, 15: 64}[alg] {
				t.Errorf("%s: signature of %d octets", alg, got)
			}
			if got := k.Bits(); got != map[policy.Algorithm]int{8: 1024, 10: 1024, 13: 256, 14: 384, 15: 256}[alg] {
				t.Errorf("%s: %d bits", alg, got)
			}
		}
	}
}

func TestNew_KeyMustFitItsAlgorithm(t *testing.T) {
	keys := generated(t)
	for alg, kind := range map[policy.Algorithm]policy.Algorithm{8: 13, 13: 14, 14: 13, 15: 8, 10: 15} {
		if k, err := New(policy.ZSK, alg, keys[kind].Public()); err == nil {
			t.Errorf("algorithm %s took a key of %s: %+v", alg, kind, k)
		}
	}
	if _, err := New(policy.ZSK, 5, keys[8].Public()); err == nil {
		t.Error("algorithm 5 was taken")
	}
	if _, err := New(policy.ZSK, 8, &rsa.PublicKey{N: big.NewInt(1 << 40), E: 3}); err == nil {
		t.Error("an RSA key of 41 bits was taken")
	}
}

func TestFromDNSKEY_RefusesWhatIsNoZoneKey(t *testing.T) {
	p256, err := New(policy.ZSK, 13, generated(t)[13].Public())
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, to byte) []byte {
		rdata := p256.DNSKEY()
		rdata[at] = to
		return rdata
	}
	rsaKey := func(public ...byte) []byte {
		return Key{Flags: 256, Algorithm: 8, Public: public}.DNSKEY()
	}
	modulus := bytes.Repeat([]byte{0xff}, 128)
	tests := []struct {
		name  string
		rdata []byte
		err   string
	}{
		{"Empty", nil, "dnskey: 0 octets are too short"},
		{"Short", []byte{1, 0, 3, 13}, "dnskey: 4 octets are too short"},
		{"NotOfAZone", changed(0, 0), "dnskey: flags 0: not a zone key (RFC 4034 section 2.1.1)"},
		{"Protocol", changed(2, 2), "dnskey: protocol 2 is not 3 (RFC 4034 section 2.1.2)"},
		{"AlgorithmRSAMD5", changed(3, 1), policy.Algorithm(1).Check().Error()},
		{"AlgorithmDelete", changed(3, 0), policy.Algorithm(0).Check().Error()},
		{"WrongLength", changed(3, 14), "public key of ECDSAP384SHA384 has 64 octets, not 96"},
		{"WrongLengthEd25519", changed(3, 15), "public key of ED25519 has 64 octets, not 32"},
		{"NotOnTheCurve", changed(4, p256.Public[0]^1), "public key of ECDSAP256SHA256 is no point of the curve"},
		{"RSAExponentLength", rsaKey(9, 1, 1), "public key of RSA: the exponent's length is wrong"},
		{"RSATooShort", rsaKey(0, 1), "public key of RSA is too short"},
		{"RSANoExponent", rsaKey(append([]byte{0, 0, 0}, modulus...)...), "public key of RSA: the exponent's length is wrong"},
		{"RSA1023Bits", rsaKey(append([]byte{1, 3, 0x7f}, modulus[1:]...)...), "public key of RSA: bits 1023: an RSA key has 1024 to 4096 bits"},
		{"RSAEvenExponent", rsaKey(append([]byte{1, 4}, modulus...)...), "public key of RSA: exponent 4 is not supported: odd, 3 to 2^31-1"},
		{"RSAExponentOne", rsaKey(append([]byte{1, 1}, modulus...)...), "public key of RSA: exponent 1 is not supported: odd, 3 to 2^31-1"},
		{"RSALongExponent", rsaKey(append([]byte{5, 1, 0, 0, 0, 1}, modulus...)...), "public key of RSA: exponent 4294967297 is not supported: odd, 3 to 2^31-1"},
		{"RSALeadingZero", rsaKey(append([]byte{2, 0, 3}, modulus...)...), "public key of RSA: exponent or modulus begins with a zero octet (RFC 3110 section 2)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k, err := FromDNSKEY(test.rdata)
			if err == nil || err.Error() != test.err {
				t.Errorf("key %+v, error %v; want %s", k, err, test.err)
			}
		})
	}
}

// Keys of another signer may be of any algorithm. They can be shown, not used.
func TestFromDNSKEY_OtherAlgorithmsAreReadButNotUsed(t *testing.T) {
	for _, alg := range []policy.Algorithm{5, 7, 16, 17, 99, 254} {
		k := Key{Role: policy.KSK, Algorithm: alg, Flags: 257, Public: []byte{1, 2, 3, 4, 5}}
		k.Tag = Tag(k.DNSKEY())
		got, err := FromDNSKEY(k.DNSKEY())
		if err != nil || !bytes.Equal(got.DNSKEY(), k.DNSKEY()) || got.Tag != k.Tag || got.Role != policy.KSK {
			t.Errorf("algorithm %d: %+v, %v", alg, got, err)
		}
		if _, err := got.PublicKey(); err == nil || got.SignatureSize() != 0 || got.Bits() != 0 {
			t.Errorf("algorithm %d: it looks usable", alg)
		}
	}
}

// The key of RFC 5011 section 3 is an example with tags alone; what has to hold
// is that only the flag differs, and that tag and digest follow from it.
func TestRevoked_IsTheSameKeyWithAnotherTag(t *testing.T) {
	for alg, signer := range generated(t) {
		k, err := New(policy.KSK, alg, signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		r := k.Revoked()
		rr := &dns.DNSKEY{Flags: 257 | 128, Protocol: 3, Algorithm: uint8(alg), PublicKey: base64.StdEncoding.EncodeToString(k.Public)}
		if r.Flags != 0x0181 || r.Tag != rr.KeyTag() || r.Tag != k.RevokedTag() || r.Role != k.Role || !bytes.Equal(r.Public, k.Public) {
			t.Errorf("%s: revoked %+v, tag %d wanted", alg, r, rr.KeyTag())
		}
		if k.Flags != 257 || r.PublicDigest() == k.PublicDigest() || r.Tag == k.Tag {
			t.Errorf("%s: the key itself has changed, or is not told from the revoked one", alg)
		}
		if again := r.Revoked(); again.Tag != r.Tag || again.Flags != r.Flags {
			t.Errorf("%s: revoked twice it is another key: %+v", alg, again)
		}
	}
}

// RFC 8078 section 4 prints these records.
func TestDelete_RecordsAreThoseOfRFC8078(t *testing.T) {
	tests := []struct {
		rdata []byte
		text  string
	}{
		{DeleteCDS(), "example.org. 0 IN CDS 0 0 0 00"},
		{DeleteCDNSKEY(), "example.org. 0 IN CDNSKEY 0 3 0 AA=="},
	}
	for _, test := range tests {
		rr, err := dns.NewRR(test.text)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil || !bytes.Equal(buf[n-int(rr.Header().Rdlength):n], test.rdata) {
			t.Errorf("%s is %x, %v; want %x", test.text, buf[n-int(rr.Header().Rdlength):n], err, test.rdata)
		}
	}
}

func TestFromDNSKEY_RoleFollowsTheSEPFlag(t *testing.T) {
	pub := generated(t)[15].Public()
	for flags, want := range map[uint16]policy.Role{256: policy.ZSK, 257: policy.KSK, 384: policy.ZSK, 385: policy.KSK} {
		k, err := New(policy.ZSK, 15, pub)
		if err != nil {
			t.Fatal(err)
		}
		k.Flags = flags
		if got, err := FromDNSKEY(k.DNSKEY()); err != nil || got.Role != want || got.Flags != flags {
			t.Errorf("flags %d: %+v, %v; want role %s", flags, got, err, want)
		}
	}
}

func TestResolveRoles_CSKOnlyWithoutZSK(t *testing.T) {
	tests := []struct {
		name   string
		scheme policy.Scheme
		roles  []policy.Role
		want   []policy.Role
	}{
		{"Split", policy.SchemeSplit, []policy.Role{policy.KSK}, []policy.Role{policy.KSK}},
		{"Alone", policy.SchemeCSK, []policy.Role{policy.KSK}, []policy.Role{policy.CSK}},
		{"Two", policy.SchemeCSK, []policy.Role{policy.KSK, policy.CSK}, []policy.Role{policy.CSK, policy.CSK}},
		{"BesideAZSK", policy.SchemeCSK, []policy.Role{policy.KSK, policy.ZSK}, []policy.Role{policy.KSK, policy.ZSK}},
		{"None", policy.SchemeCSK, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var keys []Key
			for _, r := range test.roles {
				keys = append(keys, Key{Role: r})
			}
			ResolveRoles(keys, test.scheme)
			var got []policy.Role
			for _, k := range keys {
				got = append(got, k.Role)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("roles %v, want %v", got, test.want)
			}
		})
	}
}

// TestRSA_LongExponentForm reads the three-octet form of the length.
func TestRSA_LongExponentForm(t *testing.T) {
	modulus := bytes.Repeat([]byte{0xff}, 128)
	k := Key{Flags: 256, Algorithm: 8, Public: append([]byte{0, 0, 3, 1, 0, 1}, modulus...)}
	pub, err := k.PublicKey()
	if err != nil || pub.(*rsa.PublicKey).E != 65537 {
		t.Errorf("%v, %v; want the exponent 65537", pub, err)
	}
}

// FuzzFromDNSKEY: what is accepted is the same again when written.
func FuzzFromDNSKEY(f *testing.F) {
	for _, v := range vectors {
		public, err := base64.StdEncoding.DecodeString(v.public)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(Key{Algorithm: v.algorithm, Flags: v.flags, Public: public}.DNSKEY())
	}
	f.Fuzz(func(t *testing.T, rdata []byte) {
		k, err := FromDNSKEY(rdata)
		if err != nil {
			return
		}
		supported := k.Algorithm.Check() == nil
		if !bytes.Equal(k.DNSKEY(), rdata) || supported != (k.SignatureSize() > 0) || supported != (k.Bits() > 0) {
			t.Fatalf("%x became %+v", rdata, k)
		}
		if !supported {
			return
		}
		pub, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		again, err := New(k.Role, k.Algorithm, pub)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := again.PublicKey(); err != nil || !p.(interface{ Equal(crypto.PublicKey) bool }).Equal(pub) {
			t.Errorf("%x written again is %x", rdata, again.DNSKEY())
		}
	})
}
