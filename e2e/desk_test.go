//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// desk is one mxdesk: its process, its configuration, its organisation.
type desk struct {
	*process
	w            *world
	name         string // desk4.test, the support domain
	ip           string
	dir          string
	config       string
	env          []string // of its process
	organisation string
	token        string
	anna         string // id of the agent
}

// deskOption changes the configuration of a desk before it is written.
type deskOption func(d *desk, settings map[string]string)

// with sets one key of the configuration; the value is TOML.
func with(key, value string) deskOption {
	return func(_ *desk, settings map[string]string) { settings[key] = value }
}

// newDesk configures, starts and sets up an mxdesk with one organisation and one agent, anna@staff.test, and publishes
// its DNS records. It is stopped when the test ends, and must then exit with 0.
func newDesk(t *testing.T, w *world, options ...deskOption) *desk {
	t.Helper()
	d := configured(t, w, options...)
	d.serve(t)
	d.setUp(t)
	return d
}

// configured writes the configuration of a new mxdesk.
func configured(t *testing.T, w *world, options ...deskOption) *desk {
	t.Helper()
	w.mu.Lock()
	w.lastDesk++
	number := w.lastDesk
	w.mu.Unlock()
	d := &desk{w: w, name: fmt.Sprintf("desk%d.test", number), ip: w.address(number)}
	d.dir = filepath.Join(w.dir, d.name)
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cert, key, err := certificate(d.dir, "mx."+d.name)
	if err != nil {
		t.Fatal(err)
	}
	quote := func(s string) string { return `"` + s + `"` }
	settings := map[string]string{
		"hostname":                            quote("mx." + d.name),
		"data_dir":                            quote(filepath.Join(d.dir, "data")),
		"smtp.listen":                         "[" + quote(d.smtp()) + "]",
		"api.listen":                          "[" + quote(d.ip+":8025") + "]",
		"metrics.listen":                      "[" + quote(d.ip+":9025") + "]",
		"tls.certificate_file":                quote(cert),
		"tls.key_file":                        quote(key),
		"dns.resolvers":                       "[" + quote(w.address(1)+":53") + "]",
		"outbound.transport":                  quote("mx"),
		"outbound.mx_port":                    fmt.Sprint(w.port),
		"outbound.allow_private_destinations": "true",
		"log.format":                          quote("json"),
	}
	for _, o := range options {
		o(d, settings)
	}
	d.config = filepath.Join(d.dir, "mxdesk.toml")
	if err := os.WriteFile(d.config, tomlOf(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// tomlOf writes dotted keys, which stand for tables, one a line.
func tomlOf(settings map[string]string) []byte {
	var lines []string
	for key, value := range settings {
		lines = append(lines, key+" = "+value+"\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

func (d *desk) smtp() string    { return fmt.Sprintf("%s:%d", d.ip, d.w.port) }
func (d *desk) support() string { return "help@" + d.name }

// serve starts the process and waits until it is ready.
func (d *desk) serve(t *testing.T) {
	t.Helper()
	p, err := start(d.dir, d.env, program, "--config", d.config, "serve")
	if err != nil {
		t.Fatal(err)
	}
	d.process = p
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("%v\n%s", err, p.tail(20))
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", d.name, p.tail(40, `"msg":"request"`, `"reason":"tls-handshake"`))
		}
	})
	ready := func() bool {
		response, err := http.Get("http://" + d.ip + ":9025/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	if !within(t.Context(), patience, func() bool { return !p.alive() || ready() }) || !p.alive() {
		t.Fatalf("mxdesk does not become ready\n%s", p.tail(20))
	}
}

// setUp makes organisation, agent and token as an operator does, and publishes what `mxdesk dns` prints.
func (d *desk) setUp(t *testing.T) {
	t.Helper()
	d.organisation = strings.TrimPrefix(strings.TrimSpace(d.command(t, "admin", "organisation", "Desk of "+d.name, d.support(), "--sign-at-once")), "organisation ")
	d.anna = strings.TrimSpace(d.command(t, "admin", "staff", d.organisation, "Anna Agent", "anna@"+staffDomain))
	d.token = strings.TrimSpace(d.command(t, "admin", "token", d.organisation, "--name", "stories"))
	d.w.publish(t, "mx."+d.name, d.ip, d.command(t, "dns", "--offline"))
	// A change takes effect within a second.
	eventually(t, "the server knows the organisation and its agent", func() bool {
		body, code := d.request(t, "/v1/staff")
		return code == http.StatusOK && strings.Contains(string(body), "anna@"+staffDomain)
	})
}

// command runs another command of mxdesk with the same configuration.
func (d *desk) command(t *testing.T, args ...string) string {
	t.Helper()
	return mustOutput(t, "", program, append([]string{"--config", d.config}, args...)...)
}

// request asks the API.
func (d *desk) request(t *testing.T, path string) (body []byte, code int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.ip+":8025"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return body, response.StatusCode
}

// change sends the API a merge patch.
func (d *desk) change(t *testing.T, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+d.ip+":8025"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	r.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("PATCH %s: %s", path, response.Status)
	}
}

// The parts of the API's answers that stories look at.
type (
	ticket struct {
		ID, Subject, Status string
		Requester           string `json:"requester_email"`
	}
	entry struct {
		Kind, Event, Text, Identity string
		MailKind                    string `json:"mail_kind"`
		Author                      string `json:"author_address"`
	}
	delivery struct {
		ID, Recipient, State, Reason, Reply string
		Code                                int
		Log                                 []attempt
	}
	attempt struct {
		Result, Reason, Host, TLS, Reply string
		Policy                           string `json:"tls_policy"`
		Code                             int
	}
	receivedLetter struct {
		ID, Kind, Outcome, From, Ticket string
		MessageID                       string `json:"message_id"`
	}
)

// one reads one object.
func one[T any](t *testing.T, d *desk, path string) (v T) {
	t.Helper()
	body, code := d.request(t, path)
	if code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, code, body)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, body)
	}
	return v
}

// all reads every page of a list.
func all[T any](t *testing.T, d *desk, path string) (items []T) {
	t.Helper()
	for next := &path; next != nil; {
		page := one[struct {
			Items []T
			Next  *string
		}](t, d, *next)
		items, next = append(items, page.Items...), page.Next
	}
	return items
}

func (d *desk) tickets(t *testing.T) []ticket { return all[ticket](t, d, "/v1/tickets?limit=100") }
func (d *desk) entries(t *testing.T, id string) []entry {
	return all[entry](t, d, "/v1/tickets/"+id+"/entries")
}

func (d *desk) deliveries(t *testing.T) []delivery {
	return all[delivery](t, d, "/v1/deliveries?limit=100")
}

func (d *desk) letters(t *testing.T) []receivedLetter {
	return all[receivedLetter](t, d, "/v1/letters?limit=100")
}

// awaitTicket waits for the ticket with the status.
func (d *desk) awaitStatus(t *testing.T, id, status string) ticket {
	t.Helper()
	var got ticket
	if !within(t.Context(), patience, func() bool { got = one[ticket](t, d, "/v1/tickets/"+id); return got.Status == status }) {
		t.Fatalf("ticket %s is %s, not %s", id, got.Status, status)
	}
	return got
}

// awaitDelivery waits until the newest delivery to the recipient has the state, and returns it with its attempts.
func (d *desk) awaitDelivery(t *testing.T, recipient, state string) delivery {
	t.Helper()
	var got delivery
	found := func() bool {
		list := d.deliveries(t)
		i := slices.IndexFunc(list, func(x delivery) bool { return x.Recipient == recipient })
		if i >= 0 {
			got = list[i]
		}
		return got.State == state
	}
	if !within(t.Context(), patience, found) {
		t.Fatalf("the delivery to %s is %+v, not %s", recipient, got, state)
	}
	return one[delivery](t, d, "/v1/deliveries/"+got.ID)
}

var idInReply = regexp.MustCompile(`250 2\.0\.0 Accepted as ([0-9a-v]{26})\b`)

// idOf is the letter's id in the reply to the end of data.
func idOf(t testing.TB, text string) string {
	t.Helper()
	found := idInReply.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is no 250 with an id in:\n%s", text)
	}
	return found[1]
}
