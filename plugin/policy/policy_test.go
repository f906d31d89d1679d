package policy

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestDefault_IsCompleteAndSafe(t *testing.T) {
	faults, warnings := Default().Check()
	if len(faults) != 0 || len(warnings) != 0 {
		t.Errorf("faults %v, warnings %v; want none", faults, warnings)
	}
}

func texts(errs []error) (list []string) {
	for _, err := range errs {
		if _, ok := errors.AsType[*Fault](err); !ok {
			list = append(list, "not a *Fault:")
		}
		list = append(list, err.Error())
	}
	return list
}

func TestCheck_NamesTheInequalityInNumbers(t *testing.T) {
	tests := []struct {
		name     string
		change   func(p *Policy)
		faults   []string
		warnings []string
	}{
		{"RefreshEqualsValidity", func(p *Policy) { p.Refresh = 14 * day },
			[]string{"signatures_refresh 14d is not less than signatures_validity 14d: every signature would be due at once"}, nil},
		{"RefreshMoreThanValidityDNSKEY", func(p *Policy) { p.ValidityDNSKEY = 4 * day },
			[]string{"signatures_refresh 5d is not less than signatures_validity_dnskey 4d: every signature would be due at once"}, nil},
		{"PeriodUnderFourSlots", func(p *Policy) { p.Validity, p.Refresh = 5*day+3*time.Second, 5*day },
			[]string{"signatures_validity 5d3s - signatures_refresh 5d = 3s is less than 4 slots of 1s: signatures could not be spread"}, nil},
		{"PeriodOfFourSlotsIsEnough", func(p *Policy) { p.Validity, p.Refresh = 5*day+4*time.Second, 5*day }, nil, nil},
		{"ValidityZero", func(p *Policy) { p.Validity = 0 },
			[]string{"signatures_validity 0s is not more than 0"}, nil},
		{"ValidityBeyondSerialArithmetic", func(p *Policy) { p.Validity = 20000 * day },
			[]string{"signatures_validity 20000d is more than 3650d"}, nil},
		{"RefreshUnderDNSKEYTTL", func(p *Policy) { p.Refresh = time.Hour },
			[]string{"signatures_refresh 1h is less than dnskey_ttl 1h + zone_propagation_delay 5m = 1h5m: caches would outlive signatures"}, nil},
		{"RefreshOfDNSKEYTTLAndPropagation", func(p *Policy) { p.Refresh = 65 * time.Minute }, nil, nil},
		{"TTLZero", func(p *Policy) { p.DNSKEYTTL = 0 },
			[]string{"dnskey_ttl 0s is not between 1s and 7d"}, nil},
		{"TTLTooLong", func(p *Policy) { p.DNSKEYTTL = 8 * 86400 },
			[]string{"dnskey_ttl 8d is not between 1s and 7d"}, nil},
		{"BitsForECDSA", func(p *Policy) { p.ZSKBits = 2048 },
			[]string{"zsk bits 2048: keys of ECDSAP256SHA256 have one length, bits is for RSA only"}, nil},
		{"BitsTooFew", func(p *Policy) { p.Algorithm, p.KSKBits, p.ZSKBits = RSASHA256, 1023, 1024 },
			[]string{"ksk bits 1023: an RSA key has 1024 to 4096 bits"}, nil},
		{"BitsTooMany", func(p *Policy) { p.Algorithm, p.Scheme, p.CSKBits = RSASHA512, SchemeCSK, 4097 },
			[]string{"csk bits 4097: an RSA key has 1024 to 4096 bits"}, nil},
		{"BitsOfARoleThatTheSchemeLacks", func(p *Policy) { p.Algorithm, p.CSKBits = RSASHA256, 2048 },
			[]string{"csk bits 2048: scheme split has no csk"}, nil},
		{"SchemeCSKHasNoZSK", func(p *Policy) { p.Algorithm, p.Scheme, p.ZSKBits = RSASHA256, SchemeCSK, 2048 },
			[]string{"zsk bits 2048: scheme csk has no zsk"}, nil},
		{"Algorithm", func(p *Policy) { p.Algorithm = 5 },
			[]string{"algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"}, nil},
		{"Iterations50Warn", func(p *Policy) { p.Denial = Denial{NSEC3: true, Iterations: 50} }, nil,
			[]string{"denial nsec3 iterations 50: RFC 9276 section 3.1 says 0; some validators treat others as insecure"}},
		{"Iterations51AreRefused", func(p *Policy) { p.Denial = Denial{NSEC3: true, Iterations: 51} },
			[]string{"denial nsec3 iterations 51 is more than 50: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)"}, nil},
		{"SaltWarns", func(p *Policy) { p.Denial = Denial{NSEC3: true, SaltLength: 8} }, nil,
			[]string{"denial nsec3 salt_length 8: RFC 9276 section 3.1 says 0; a salt brings nothing"}},
		{"SaltTooLong", func(p *Policy) { p.Denial = Denial{NSEC3: true, SaltLength: 256} },
			[]string{"denial nsec3 salt_length 256 is not 0 to 255"}, nil},
		{"NSECHasNoOptOut", func(p *Policy) { p.Denial = Denial{OptOut: true} },
			[]string{"denial nsec has no optout, salt or iterations: they are NSEC3's"}, nil},
		{"OptOutAloneIsFine", func(p *Policy) { p.Denial = Denial{NSEC3: true, OptOut: true} }, nil, nil},
		{"Workers", func(p *Policy) { p.Workers = -1 },
			[]string{"workers -1: 1 to 1024 are possible, 0 is the default"}, nil},
		{"MassChange", func(p *Policy) { p.MassChange = 101 },
			[]string{"mass_change 101: a percentage is 0 to 100"}, nil},
		{"ParentNoneWithAgents", func(p *Policy) { p.NoParent, p.ParentAgents = true, []string{"192.0.2.1:53"} },
			[]string{"parent none and parent agents exclude each other"}, nil},
		{"SeveralAtOnce", func(p *Policy) { p.Validity, p.DNSKEYTTL, p.Workers = 0, 0, 2000 },
			[]string{"signatures_validity 0s is not more than 0", "dnskey_ttl 0s is not between 1s and 7d",
				"workers 2000: 1 to 1024 are possible, 0 is the default"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := Default()
			test.change(&p)
			if p.ValidityDNSKEY == Default().ValidityDNSKEY {
				p.ValidityDNSKEY = p.Validity // equal ones are told once
			}
			faults, warnings := p.Check()
			if !slices.Equal(texts(faults), test.faults) {
				t.Errorf("faults\n%q, want\n%q", texts(faults), test.faults)
			}
			if !slices.Equal(texts(warnings), test.warnings) {
				t.Errorf("warnings\n%q, want\n%q", texts(warnings), test.warnings)
			}
		})
	}
}

// TestCheckZone_P20 warns with the values that would do.
func TestCheckZone_P20(t *testing.T) {
	expire := "signatures_refresh 5d is less than SOA expire 41d16h + zone_propagation_delay 5m: " +
		"a secondary that is cut off goes on with expired signatures; " +
		"signatures_refresh 41d16h5m or more, or an SOA expire of at most 4d23h55m, would do"
	ttl := "signatures_refresh 5d is less than the longest TTL 7d + zone_propagation_delay 5m: " +
		"other servers of the zone may hand out records that outlive their signatures; " +
		"signatures_refresh 7d5m or more, or TTLs of at most 4d23h55m, would do"
	tests := []struct {
		name        string
		expire, ttl time.Duration
		transferred bool
		want        []string
	}{
		{"EverythingFits", 4 * day, day, true, nil},
		{"ExactlyFits", 5*day - Propagation, 5*day - Propagation, true, nil},
		{"ExpireTooLong", 3600000 * time.Second, day, true, []string{expire}},
		{"ExpireDoesNotMatterWithoutSecondaries", 3600000 * time.Second, day, false, nil},
		{"TTLTooLong", 4 * day, 7 * day, false, []string{ttl}},
		{"Both", 3600000 * time.Second, 7 * day, true, []string{ttl, expire}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := texts(Default().CheckZone(test.expire, test.ttl, test.transferred))
			if !slices.Equal(got, test.want) {
				t.Errorf("warnings\n%q, want\n%q", got, test.want)
			}
		})
	}
}

// TestSchedule_SlotAndPeriod recomputes decision 2: w = (V-R)/240 within a second
// and an hour, P = V-R in whole slots.
func TestSchedule_SlotAndPeriod(t *testing.T) {
	tests := []struct{ validity, refresh, slot, period time.Duration }{
		{14 * day, 5 * day, 54 * time.Minute, 9 * day},
		{30 * day, 5 * day, time.Hour, 25 * day},
		{2 * time.Minute, time.Minute, time.Second, time.Minute},
		{1000 * time.Second, 0, 4 * time.Second, 1000 * time.Second},
		{1003 * time.Second, 0, 4 * time.Second, 1000 * time.Second},
		{day, 2 * day, time.Second, 0},
	}
	for _, test := range tests {
		slot, period := SlotWidth(test.validity, test.refresh), Period(test.validity, test.refresh)
		if slot != test.slot || period != test.period {
			t.Errorf("V %v R %v: slot %v period %v, want %v %v", test.validity, test.refresh, slot, period, test.slot, test.period)
		}
		if period%slot != 0 || period > max(test.validity-test.refresh, 0) {
			t.Errorf("V %v R %v: period %v is not whole slots of %v within V-R", test.validity, test.refresh, period, slot)
		}
	}
}

func TestPolicy_RolesAndBits(t *testing.T) {
	p := Policy{KSKBits: 1, ZSKBits: 2, CSKBits: 3}
	if got := p.Roles(); !slices.Equal(got, []Role{KSK, ZSK}) {
		t.Errorf("split has roles %v", got)
	}
	p.Scheme = SchemeCSK
	if got := p.Roles(); !slices.Equal(got, []Role{CSK}) {
		t.Errorf("csk has roles %v", got)
	}
	if p.Bits(KSK) != 1 || p.Bits(ZSK) != 2 || p.Bits(CSK) != 3 {
		t.Errorf("bits are %d %d %d", p.Bits(KSK), p.Bits(ZSK), p.Bits(CSK))
	}
	for role, signs := range map[Role][2]bool{KSK: {true, false}, ZSK: {false, true}, CSK: {true, true}, 0: {false, false}} {
		if role.SignsDNSKEY() != signs[0] || role.SignsZone() != signs[1] {
			t.Errorf("%s signs DNSKEY %v, zone %v", role, role.SignsDNSKEY(), role.SignsZone())
		}
	}
}

func TestDenial_StringIsTheCorefiles(t *testing.T) {
	tests := []struct {
		denial Denial
		want   string
	}{
		{Denial{}, "nsec"},
		{Denial{NSEC3: true}, "nsec3 salt_length 0 iterations 0"},
		{Denial{NSEC3: true, OptOut: true, SaltLength: 8, Iterations: 10}, "nsec3 optout salt_length 8 iterations 10"},
	}
	for _, test := range tests {
		if got := test.denial.String(); got != test.want {
			t.Errorf("%+v is %q, want %q", test.denial, got, test.want)
		}
	}
}
