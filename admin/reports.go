package admin

import (
	"context"
	"time"

	"mxdesk/ticketing"
)

type reportQuery struct {
	Scope
	Paging
	Cursor reportID `query:"cursor" doc:"From next of the page before"`
	Kind   string   `query:"kind" enum:"tls,dmarc"`
	Domain string   `query:"domain" maxLength:"255" doc:"The domain of yours that it is about"`
	State  string   `query:"state" enum:"counted,malformed,foreign"`
}

func (a *API) listReports(ctx context.Context, in *reportQuery) (*body[page[ReportSummary]], error) {
	rows, err := a.service.Reports(ctx, orgOf(ctx).ID, ticketing.ReportFilter{
		Kind: in.Kind, Domain: in.Domain, State: in.State, Before: in.Cursor.id(), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireReportSummary,
		func(r ticketing.Report) string { return string(writeID[reportID]("rep", r.ID)) }), nil
}

type reportPath struct {
	Scope
	Report reportID `path:"report"`
}

func (a *API) getReport(ctx context.Context, in *reportPath) (*body[report], error) {
	r, lines, err := a.service.Report(ctx, orgOf(ctx).ID, in.Report.id())
	if err != nil {
		return nil, err
	}
	return &body[report]{wireReport(r, lines)}, nil
}

type reportDaysQuery struct {
	Scope
	Kind   string    `query:"kind" enum:"tls,dmarc"`
	Domain string    `query:"domain" maxLength:"255" doc:"The domain of yours that they are about"`
	From   time.Time `query:"from" doc:"Reports whose time begins then or later. Default: 30 days ago"`
	To     time.Time `query:"to" doc:"And before then, a year later at most. Default: now"`
}

func (a *API) listReportDays(ctx context.Context, in *reportDaysQuery) (*body[page[reportDay]], error) {
	if in.To.IsZero() {
		in.To = a.clock()
	}
	if in.From.IsZero() {
		in.From = in.To.AddDate(0, 0, -30)
	}
	days, err := a.service.ReportDays(ctx, orgOf(ctx).ID, ticketing.ReportDaysFilter{From: in.From, To: in.To, Kind: in.Kind, Domain: in.Domain})
	if err != nil {
		return nil, err
	}
	out := page[reportDay]{Items: make([]reportDay, len(days))}
	for i, d := range days {
		out.Items[i] = reportDay{d.Day.Format(time.DateOnly), d.Domain, d.Kind, d.Result, d.Disposition, d.Quantity}
	}
	return &body[page[reportDay]]{out}, nil
}
