# verify.pl SERVER PORT FILE...: prints, for each letter, what Mail::DKIM makes of each DKIM signature whose algorithm it knows,
# as JSON.
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS;

my ($server, $port, @files) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$server], port => $port, recurse => 1));

for my $path (@files) {
    my $verifier = Mail::DKIM::Verifier->new;
    open my $file, '<:raw', $path or die "$path: $!";
    while (my $line = <$file>) {
        $line =~ s/\r?\n\z/\r\n/;
        $verifier->PRINT($line);
    }
    $verifier->CLOSE;
    my @found;
    for my $signature ($verifier->signatures) {
        next if $signature->algorithm eq 'ed25519-sha256';
        push @found, { algorithm => $signature->algorithm, domain => $signature->domain, result => $signature->result };
    }
    print encode_json(\@found), "\n";
}
