package admin

import (
	"time"

	"mxdesk/ticketing"
)

// ReportSummary is a report in the list of received ones; exported like TicketSummary.
type ReportSummary struct {
	ID         reportID   `json:"id"`
	Letter     letterID   `json:"letter"`
	ReceivedAt time.Time  `json:"received_at"`
	Kind       string     `json:"kind" enum:"tls,dmarc,unknown"`
	Domain     string     `json:"domain" doc:"Yours, that it is about"`
	Submitter  string     `json:"submitter" doc:"Domain of the From field of the letter"`
	Authentic  bool       `json:"authentic" doc:"DMARC vouches for the submitter"`
	Reporter   string     `json:"reporter" doc:"As the report says; nobody proves it, nor the numbers"`
	ExternalID string     `json:"external_id"`
	BeginsAt   *time.Time `json:"begins_at"`
	EndsAt     *time.Time `json:"ends_at"`
	Passed     int64      `json:"passed" doc:"Sessions or letters"`
	Failed     int64      `json:"failed"`
	State      string     `json:"state" enum:"counted,malformed,foreign"`
	Problem    string     `json:"problem" doc:"Why it does not count"`
}

func wireReportSummary(r ticketing.Report) ReportSummary {
	if r.Kind == "" {
		r.Kind = "unknown"
	}
	return ReportSummary{
		ID: writeID[reportID]("rep", r.ID), Letter: writeID[letterID]("ltr", r.Letter), ReceivedAt: r.ReceivedAt.UTC(), Kind: r.Kind, Domain: r.Domain,
		Submitter: r.Submitter, Authentic: r.Authentic, Reporter: r.Reporter, ExternalID: r.ExternalID, BeginsAt: utc(r.BeginsAt), EndsAt: utc(r.EndsAt),
		Passed: r.Passed, Failed: r.Failed, State: r.State, Problem: r.Problem,
	}
}

// report is a report with its lines.
type report struct {
	ReportSummary
	Lines []reportLine `json:"lines"`
}

type reportLine struct {
	Result      string `json:"result" doc:"pass, fail, or a result type of RFC 8460"`
	Disposition string `json:"disposition" doc:"Of DMARC: what was done with the letters"`
	Peer        string `json:"peer" doc:"Source of the letters, or your host; empty: many, added up"`
	Detail      string `json:"detail"`
	Quantity    int64  `json:"quantity"`
}

func wireReport(r ticketing.Report, lines []ticketing.ReportLine) report {
	out := report{ReportSummary: wireReportSummary(r), Lines: make([]reportLine, len(lines))}
	for i, l := range lines {
		out.Lines[i] = reportLine(l)
	}
	return out
}

// reportDay is one result of a day, of all reports together.
type reportDay struct {
	Day         string `json:"day" format:"date"`
	Domain      string `json:"domain"`
	Kind        string `json:"kind" enum:"tls,dmarc"`
	Result      string `json:"result"`
	Disposition string `json:"disposition"`
	Quantity    int64  `json:"quantity"`
}
