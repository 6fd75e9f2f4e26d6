package ticketing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"

	"mxdesk/internal/address"
)

// SettingError is a setting that makes no sense. Path is where it stands: trusted_forwarders[0].networks[1].
type SettingError struct{ Path, Problem string }

// Error names the setting.
func (e SettingError) Error() string { return e.Path + ": " + e.Problem }

// Unwrap makes it an ErrInvalid.
func (SettingError) Unwrap() error { return ErrInvalid }

// SettingsChange says which settings are changed: a property that is absent stays, one that is nil or null is inherited again. The
// values are as stored; networks, domains and addresses may be written as people write them.
type SettingsChange map[string]any

// Settings returns the settings of an organisation or, when category is not 0, of a category of it, and their version.
func (s *Service) Settings(ctx context.Context, organisation, category int32) (Settings, int, error) {
	return s.settings(ctx, s.pool, organisation, category)
}

func (s *Service) settings(ctx context.Context, q querier, organisation, category int32) (Settings, int, error) {
	stored, err := selectSettings(ctx, q, organisation, 0)
	if err != nil {
		return Settings{}, 0, notFound(err)
	}
	set, err := patched(defaultSettings(), stored)
	if err != nil || category == 0 {
		return set, versionOf(stored), err
	}
	if stored, err = selectSettings(ctx, q, organisation, category); err != nil {
		return Settings{}, 0, notFound(err)
	}
	set, err = patched(set, stored)
	return set, versionOf(stored), err
}

// ChangeSettings changes the settings of an organisation or a category. With a version that is not 0 they must be of that
// version, else ErrChanged. A value that makes no sense is a SettingError.
func (s *Service) ChangeSettings(ctx context.Context, organisation, category int32, version int, change SettingsChange) error {
	patch, err := change.check()
	if err != nil {
		return err
	}
	return s.setUp(ctx, func(tx pgx.Tx, revision int64) error {
		if category != 0 {
			// The organisation's row first, as everybody who changes anything of it takes it.
			if err := touchOrganisation(ctx, tx, organisation, revision); err != nil {
				return err
			}
		}
		stored, err := lockSettings(ctx, tx, organisation, category)
		if err != nil {
			return notFound(err)
		}
		if version != 0 && version != versionOf(stored) {
			return ErrChanged
		}
		all := map[string]json.RawMessage{}
		if err := json.Unmarshal(stored, &all); err != nil {
			return fmt.Errorf("stored settings: %w", err)
		}
		for name, value := range patch {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
		changed, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if _, err := patched(defaultSettings(), changed); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err := updateSettings(ctx, tx, organisation, category, changed); err != nil {
			return err
		}
		return touchOrganisation(ctx, tx, organisation, revision)
	})
}

// versionOf tells two states of stored settings apart; PostgreSQL writes equal ones equally.
func versionOf(stored []byte) int {
	h := fnv.New32a()
	h.Write(stored)
	return int(h.Sum32()>>1) + 1
}

// check makes the values what is stored, and finds those that make no sense. What it does not know is only of a type
// that is checked later.
func (c SettingsChange) check() (map[string]json.RawMessage, error) {
	patch := map[string]json.RawMessage{}
	for name, value := range c {
		if value == nil {
			patch[name] = nil
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, SettingError{name, "it cannot be stored"}
		}
		if f := settingChecks[name]; f != nil {
			if value, err = f(name, raw); err == nil {
				raw, err = json.Marshal(value)
			}
			if err != nil {
				return nil, err
			}
		}
		patch[name] = raw
	}
	return patch, nil
}

// settingChecks hold the settings whose values need more than a type.
var settingChecks = map[string]func(path string, raw []byte) (any, error){
	"dmarc_exempt":       checkEach(checkSender),
	"blocked_senders":    checkEach(checkSender),
	"allowed_networks":   checkEach(checkNetwork),
	"blocked_networks":   checkEach(checkNetwork),
	"arc_sealers":        checkEach(checkDomain),
	"trusted_forwarders": checkForwarders,
	"attachments":        checkAttachments,
	"system_address":     checkSystemAddress,
}

func checkSystemAddress(path string, raw []byte) (any, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, SettingError{path, "it is an address"}
	}
	if s == "" {
		return s, nil
	}
	a, err := address.Parse(strings.TrimSpace(s))
	if err != nil {
		return nil, SettingError{path, "it is an address, or empty"}
	}
	return a.String(), nil
}

// maxListed bounds the lists: every letter is held against each entry.
const maxListed = 1000

// checkEach checks a list of texts.
func checkEach(check func(string) (string, error)) func(string, []byte) (any, error) {
	return func(path string, raw []byte) (any, error) {
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, SettingError{path, "it is a list of texts"}
		}
		return checkList(path, list, check)
	}
}

func checkList(path string, list []string, check func(string) (string, error)) ([]string, error) {
	if len(list) > maxListed {
		return nil, SettingError{path, fmt.Sprintf("at most %d entries", maxListed)}
	}
	out := make([]string, 0, len(list))
	for i, s := range list {
		normal, err := check(strings.TrimSpace(s))
		if err != nil {
			return nil, SettingError{fmt.Sprintf("%s[%d]", path, i), err.Error()}
		}
		out = append(out, normal)
	}
	return out, nil
}

func checkSender(s string) (string, error) {
	if key := senderKey(s); key != "" {
		return key, nil
	}
	return "", errors.New("it is an address or a domain")
}

func checkDomain(s string) (string, error) {
	d, err := address.ParseDomain(s)
	if err != nil || !strings.Contains(d, ".") || d[0] == '[' {
		return "", errors.New("it is a domain")
	}
	return d, nil
}

func checkNetwork(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return "", errors.New("it is a network such as 192.0.2.0/24, or an address")
	}
	return p.Masked().String(), nil
}

// checkPeers is checkNetwork for servers that are believed: nobody has servers in so large a network.
func checkPeers(s string) (string, error) {
	normal, err := checkNetwork(s)
	if err != nil {
		return "", err
	}
	if p := netip.MustParsePrefix(normal); p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 16 {
		return "", errors.New("it is too large: whoever is in it is believed")
	}
	return normal, nil
}

func checkForwarders(path string, raw []byte) (any, error) {
	type written struct {
		Networks      []string `json:"networks"`
		AuthservID    string   `json:"authserv_id"`
		ReceivedAbove int      `json:"received_above"`
	}
	var list []written
	if err := json.Unmarshal(raw, &list); err != nil || len(list) > maxListed {
		return nil, SettingError{path, "it is a list of forwarders"}
	}
	for i := range list {
		f, at := &list[i], fmt.Sprintf("%s[%d]", path, i)
		f.AuthservID = strings.ToLower(strings.TrimSpace(f.AuthservID))
		var err error
		switch {
		case f.AuthservID == "" || len(f.AuthservID) > address.MaxAddress || strings.ContainsFunc(f.AuthservID, notAuthservID):
			return nil, SettingError{at + ".authserv_id", "it is the first word of the forwarder's Authentication-Results"}
		case f.ReceivedAbove < 0 || f.ReceivedAbove > maxReceivedAbove:
			return nil, SettingError{at + ".received_above", fmt.Sprintf("it is 0 to %d", maxReceivedAbove)}
		case len(f.Networks) == 0:
			return nil, SettingError{at + ".networks", "a forwarder is known by where it connects from"}
		}
		if f.Networks, err = checkList(at+".networks", f.Networks, checkPeers); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// maxReceivedAbove is how far down a letter's results of others are collected.
const maxReceivedAbove = 5

func notAuthservID(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`()<>,;:\"/[]?=@`, r)
}

func checkAttachments(path string, raw []byte) (any, error) {
	var r AttachmentRules
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, SettingError{path, "it is an object with rules"}
	}
	switch {
	case r.Action != "" && r.Action != refuseFiles && r.Action != holdFiles:
		return nil, SettingError{path + ".action", "it is refuse or hold"}
	case r.MaxFiles < 0:
		return nil, SettingError{path + ".max_files", "it is a number of files, or 0 for any"}
	case r.MaxBytes < 0:
		return nil, SettingError{path + ".max_file_bytes", "it is a number of octets, or 0 for any"}
	}
	var err error
	r.Forbidden, err = checkList(path+".forbidden", r.Forbidden, checkFileRule)
	return r, err
}

// checkFileRule checks one rule; replies name rules, so they hold nothing but plain characters.
func checkFileRule(s string) (string, error) {
	const most = 80
	s = strings.ToLower(s)
	plain := !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".+-_/*?@", r)
	})
	_, err := path.Match(s, "")
	switch {
	case s == "" || len(s) > most || !plain || err != nil || strings.Count(s, "/") > 1 || strings.Trim(s, ".*?/") == "":
		return "", errors.New("it is an extension (.exe), a name (invoice*.html), a type (video/*) or " + executables)
	case s[0] == '@' && s != executables:
		return "", errors.New("the only set is " + executables)
	}
	return s, nil
}
