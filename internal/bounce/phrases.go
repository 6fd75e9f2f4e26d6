package bounce

// group is a set of wordings that mean the same. One phrase a line, lower case; "*" stands for
// up to maxGap bytes of anything; a phrase begins at a word and may end within one. Codes,
// numbers and addresses are gone from the text it is held against ("@" is left of an address).
type group struct {
	reason  string
	phrases string
}

// clearWords are wordings that outweigh every status code. The first group that matches wins,
// so what is more special, or more often quoted within something else, comes first.
var clearWords = []group{
	{Spam, `
		due to spam classification
		classified as spam
		scored as spam
		identified as spam
		detected as spam
		considered spam
		considered to be spam
		looks like spam
		appears to be spam
		suspected spam
		spam detected
		spam message rejected
		spam message discarded
		spam content
		spam score
		spam suspicion
		spam mail
		spamassassin
		spam-filter
		spam filter
		spam rejected
		rejected as spam
		rejected * spam
		denied as spam
		blocked by spam
		blocked as spam
		marked as spam
		filtered as spam
		is spam
		message is unsolicited
		unsolicited bulk
		unsolicited mail
		likely unsolicited
		unsolicited content
		unsolicited e
		considered unsolicited
		ube, id
		bulk email content
		message contains spam
		contains spam
		high probability of spam
		message looks spam
		our anti-spam
		antispam
		anti-spam system
		anti-spam filter
		spam-like
		message refused by spam
		message refused by mailmarshal spamprofiler
		dcc bulk
		blacklisted url
		url * blacklist
		blocked by uri
		uribl
		surbl
		rejected for spam
		phishing
		junk mail
		spamverdacht
		als spam
		come spam
		como spam
		comme spam
		spam erkannt
		похоже на спам
		спам
		垃圾邮件
		迷惑メール
		スパム
		message content rejected
		content rejected
	`},
	{AuthFailure, `
		dmarc
		spf check
		spf fail
		spf hard
		spf record
		spf valid
		spf polic
		spf perm
		spf not
		spf unauthorized
		spf mechanism
		spf error
		spf reject
		spf: fail
		spf sentinel
		failed spf
		fails spf
		fail * spf
		sender policy framework
		openspf
		dkim check
		dkim fail
		dkim signature
		dkim verif
		dkim valid
		dkim not
		failed dkim
		dkim * did not pass
		no dkim
		domainkeys
		unauthenticated email
		unauthenticated mail
		sender is unauthenticated
		sender unauthenticated
		does not have authentication information
		authentication information or fails
		requires all senders to authenticate
		does not designate
		not authorized to send * from
		not authorised to send * from
		not authorized to send mail for
		not authorized to use * domain
		not allowed to send * from this domain
		mail from domain * not authorized
		purported responsible address
		sender id
		invalid ip for sending mail of domain
		mismatches client ip
		sender address * verification failed
	`},
	{TLSRequired, `
		must issue a starttls
		starttls command first
		starttls is required
		starttls required
		requires starttls
		require starttls
		starttls fail
		starttls * not supported
		starttls * not offered
		not * support starttls
		tls is required
		tls required
		requires tls
		require tls
		tls * not available
		tls * not supported
		tls handshake
		tls connect fail
		tls connection fail
		tls negotiation
		tls session
		tls failure
		tls currently unavailable
		tls-required
		cannot start tls
		encryption required
		encryption needed
		encryption is required
		secure connection required
		requires a secure connection
		requires a secure transport
		server certificate not
		certificate verification fail
		certificate has expired
		untrusted certificate
		mta-sts
		dane
		tlsa
	`},
	{RateLimited, `
		rate limit
		rate-limit
		ratelimit
		rate exceeded
		exceeded * rate
		at a rate that
		sending limit
		sending quota
		daily limit
		hourly limit
		daily quota exceeded
		daily message
		limit on the number of
		exceeded the maximum number of
		too many recipients
		too many connections
		too many concurrent
		too many simultaneous
		too many messages
		too many emails
		too many mails
		too many sessions
		too many errors
		too many bad
		too many invalid
		too many unknown
		too many smtp
		too many request
		too much mail
		too much traffic
		too fast
		too frequent
		sent too many
		sent to too many
		send too many
		maximum number of messages
		maximum recipients
		maximum connections
		connection limit
		connection rate
		connection frequency
		concurrent connection
		number of concurrent
		message limit exceeded
		message rate
		mail frequency
		frequency limit
		frequency of
		throttl
		slow down
		slow your
		exceeded * per hour
		exceeded * per day
		exceeds maximum connection
		receiving mail too quickly
		receiving email too quickly
		receiving mail at a rate
		limit exceeded for sending
		recipient limit
		rcpt limit
		unusual rate
		temporarily rate
		mail volume
		aup#in-
		слишком много
		zu viele empf
		zu viele nachrichten
		trop de destinataires
		demasiados destinatarios
		发送频率
	`},
	{Blocked, `
		spamhaus
		spamcop
		sorbs
		barracudacentral
		barracuda reputation
		proofpoint * blocked
		cloudmark * blocked
		senderscore
		senderbase
		talosintelligence
		uceprotect
		backscatterer
		invaluement
		mailspike
		spamrats
		abuseat
		njabl
		dnsbl
		dnswl
		dnsrbl
		rbl
		realtime block
		real-time block
		block list
		blocklist
		black list
		blacklist
		black-list
		black hole
		blackhole
		deny list
		denylist
		listed at
		listed by
		listed in
		listed on
		blocked using
		blocked by using
		banned sending ip
		banned ip
		ip * banned
		client host * blocked
		client host rejected
		client host * rejected
		client was not authenticated
		sender * is blocked
		your ip * blocked
		ip address * blocked
		ip * is blocked
		ip * blocked
		ip has been
		ip is on
		ip address is on
		ip address * rejected
		your ip
		your network is on our block
		your host
		your mail server * blocked
		your mail server * been
		your server * blocked
		blocked your
		blocked due to
		ip address * not allowed
		ip not allowed
		ip reputation
		bad reputation
		low reputation
		poor reputation
		reputation
		reverse dns
		reverse lookup
		reverse-dns
		reverse ip
		reverse mapping
		rdns
		ptr record
		ptr lookup
		ptr dns
		dns ptr
		no ptr
		missing ptr
		have a ptr
		without ptr
		ptr * not
		valid ptr
		ptr * resource record
		ip name lookup failed
		ip name forged
		ip name possibly forged
		cannot find your hostname
		cannot find your reverse
		cannot resolve your
		could not resolve your
		fix reverse
		hostname * reverse
		unresolvable relay host
		generic hostname
		generic host name
		dynamic ip
		dynamic address
		dynamic host
		dynamic pool
		dynamic or
		dialup
		dial-up
		dul
		residential
		helo
		ehlo
		bad sender ip
		untrusted host
		suspicious network
		connection * refused by policy
		connection refused by * policy
		no smtp service
		not accepting connections
		refused to talk to me: @
		server refused to talk
		refused to talk
		esmtp not accepting
		smtp service not available
		service not available, closing
		connections from * not
		connections * denied
		connection * denied
		connection rejected
		connection dropped
		mail from ip
		messages from * temporarily deferred
		messages from * deferred
		temporarily deferred due to
		user complaints
		permanently deferred
		permanently blocked
		not accepted from your
		not accept mail from your
		not accepting mail from
		not currently accepting mail from your
		do not accept mail from
		do not accept mails from
		does not accept mail from
		we do not accept mail from hosts
		refused mail from
		rejecting mail from
		denied access from
		sender ip
		ip address has been
		temporarily blocked
		network * blocked
		country
		a problem occurred * ask your postmaster
		host * not allowed
		mail server * not allowed
		may not be mail exchanger
		part of your network
		suspicious activity
		blocked for abuse
		blocked by csi
		bl001
		aup#
		s3140
		s3150
		ip-adresse * gesperrt
		ip-adresse * blockiert
		adresse ip bloqu
		adresse ip * blacklist
		заблокирован ip
		拒绝您的ip
	`},
	{SystemFull, `
		insufficient system storage
		insufficient disk
		insufficient space
		insufficient storage
		insufficient system resources
		system storage exceeded
		mail system full
		disk full
		disk is full
		no space left
		no disk space
		not enough disk
		not enough storage
		not enough space on
		file system full
		file system is full
		filesystem is full
		out of disk
		out of storage space on the server
		queue is full
		queue full
	`},
	{MailboxFull, `
		mailbox full
		mailbox is full
		mailbox * full
		mailbox * over
		mailbox exceed
		mailbox * exceed
		mailbox size
		mailbox limit
		mailbox quota
		mailfolder is full
		mailfolder * full
		mail box full
		mail box * full
		mail folder * full
		mail folder quota
		mail quota
		inbox is full
		inbox * full
		inbox * out of storage
		maildrop is full
		maildrop * full
		maildir * quota
		mail directory exceed
		maildir over
		mailbox for * is full
		mailbox of * full
		account is full
		account * full
		account exceed
		account * over quota
		account * exceed
		account * quota
		account * out of space
		account * out of storage
		user is over
		user * over quota
		user * over the
		user * full
		user * quota
		recipient * over quota
		recipient * over disk
		recipient * quota
		recipient * full
		recipient mailbox
		recipient has exceeded
		recipient reached disk quota
		recipient storage full
		over quota
		overquota
		over disk quota
		over disk space quota
		over the maximum allowed quota
		over its quota
		over the allowed quota
		over their quota
		over storage
		overdrawn
		exceed * quota
		exceeds quota
		exceeding quota
		exceeded * quota
		exceeded storage
		exceed * storage
		exceeded * space
		exceeds * disk space
		exceeded * mailbox
		exceeded the local limit
		exceed * local limit
		quota exceeded
		quota * exceeded
		quota exceed
		quota is full
		quota full
		quota * full
		quota violation
		quota limit
		quota has been
		quota reached
		quota used up
		disc quota
		disk quota
		disk space quota
		storage quota
		storage limit
		storage exceed
		storage space
		storage full
		storage allocation
		message store limit
		space quota
		has reached * quota
		has reached * limit
		has no space
		no space in
		no room in mailbox
		not enough space in
		not enough storage space in
		insufficient space in mailbox
		insufficient space on user
		insufficient disk space for user
		insufficient mailbox
		would exceed
		would be over
		too full
		is full
		shutoffquota
		mapiexceptionshutoffquota
		overquotaperm
		overquotatemp
		would overfill
		vailed to get quota
		postfach * voll
		postfach voll
		postfach ist voll
		postfach * überfüllt
		mailbox * voll
		speicherplatz
		kontingent
		quota überschritten
		bo te aux lettres * pleine
		boîte * pleine
		boite * pleine
		boîte aux lettres * saturée
		quota dépassé
		dépassé * quota
		quota superada
		quota raggiunta
		buzón * lleno
		buzon * lleno
		casilla llena
		cuota * excedid
		cuota de almacenamiento
		ha superado * cuota
		casella * piena
		spazio esaurito
		caixa * cheia
		caixa de correio cheia
		cota excedida
		excedeu * cota
		postvak * vol
		skrzynka * pełna
		skrzynka * przepełniona
		przepełniona
		schránka * plná
		posta kutusu dolu
		переполнен
		превышен
		превышена квота
		ящик полон
		邮箱已满
		邮箱空间
		邮箱容量
		容量不足
		空间不足
		容量超過
		容量オーバー
		メールボックス * いっぱい
		いっぱい
		満杯
		메일박스
		용량
	`},
	{Suspended, `
		account * suspended
		account suspended
		account * disabled
		account disabled
		account * deactivated
		account deactivated
		account * inactive
		account inactive
		account * locked
		account * not active
		account * expired
		account * frozen
		account * blocked
		account * closed
		account is temporarily unavailable
		account has been
		account temporarily
		account that you tried to reach is disabled
		account that you tried to reach is inactive
		disableduser
		disabled user
		disabled recipient
		disabled or discontinued
		inactive user
		inactive account
		inactive mailbox
		inactive recipient
		invalid/inactive
		mailbox disabled
		mailbox is disabled
		mailbox * disabled
		mailbox * inactive
		mailbox * suspended
		mailbox * frozen
		mailbox * locked
		mailbox * deactivated
		mailbox currently suspended
		mailbox unavailable or access denied
		mailbox is not active
		mailbox not active
		mailbox has been
		mailbox * blocked
		user * suspended
		user * disabled
		user * inactive
		user * temporary locked
		user * locked
		user * deactivated
		user * not active
		user * frozen
		user account is unavailable
		user is not accepting
		recipient suspend
		recipient * disabled
		recipient * suspended
		recipient * inactive
		recipient * blocked
		recipient * locked
		recipient is not accepting
		recipient * not active
		email account * disabled
		e-mail account * disabled
		domain * suspended
		service * suspended
		boxes blocked
		box * blocked for non-use
		terminated
		not accepting any mail
		out of service
		temporarily disabled
		temporarily inactive
		vacation mode
		deactivated
		de-activated
		suspended
		has been disabled
		is disabled
		konto * gesperrt
		postfach * gesperrt
		konto * deaktiviert
		postfach * deaktiviert
		compte * désactivé
		compte * suspendu
		compte * inactif
		boîte * désactivée
		cuenta * desactivada
		cuenta * suspendida
		cuenta * deshabilitada
		conta * desativada
		conta * suspensa
		casella * disabilitata
		casella * disattivata
		account disattivat
		konto * zablokowane
		конто * заблокир
		ящик * заблокирован
		заблокирован
		отключен
		неактивен
		账户 * 停用
		已停用
		已冻结
		被禁用
	`},
	{Moved, `
		has moved
		hasmoved
		user moved
		has been moved to
		has been replaced by
		recipient no longer on server
		no longer on server
		has changed * address
		changed his address
		changed its address
		address has changed
		address changed
		new address is
		new email address
		new e-mail address
		please use * instead
		please try
		user not local; please try
		user not local
		not our user
		moved permanently
		adresse hat sich geändert
		neue adresse
		nouvelle adresse
		nueva dirección
		nuevo correo
		nuovo indirizzo
	`},
	{Loop, `
		too many hops
		hop count
		hopcount
		maximum hop
		maximum forwarding
		too many received
		mail loop
		mail forwarding loop
		forwarding loop
		message loop
		routing loop
		loop detected
		loop count
		loops back to myself
		loops back to me
		loop back
		looping
		loop alert
		delivery loop
		mail is looping
		infinite loop
		possible loop
		already delivered
		duplicated message-id
		local configuration error * loop
		unrouteable mail domain * loop
		schleife
		hop exceeded
		redirect loop
	`},
	{NotAccepting, `
		null mx
		nullmx
		null-mx
		does not accept mail
		doesn't accept mail
		doesn't receive email
		does not receive mail
		does not receive email
		does not accept email
		not accepting network messages
		not accepting messages
		no mail server here
		host/domain does not accept mail
		all hosts refused
		does not run a mail
		smtp protocol not accepted
		mail is not accepted at
		mail receiving disabled
		this server does not accept
		this system does not accept
		no longer accepts mail
		no longer accepts email
	`},
	{TooLarge, `
		message too large
		message is too large
		message * too large
		message too big
		message is too big
		message * too big
		message * too long
		message size
		message length
		message file too big
		message exceed
		message * exceeds
		messages larger
		message header size
		messages above
		max message size
		maximum message size
		mail size
		mail too large
		mail * too large
		mail exceeds
		email size
		email too large
		size limit
		size exceed
		size of * exceed
		size * larger than
		size of the message
		exceeds * size
		exceeded * size
		exceeds * maximum size
		exceeds fixed
		exceeds the limit
		exceeds limit
		exceeds administrative limit
		exceed * mail limit
		larger than
		maximum size
		maximum permitted length
		content length
		attachment * too large
		attachments * too large
		too large
		line too long
		recipsizelimit
		sendersizelimit
		too large for this recipient
		nachricht * zu groß
		nachrichtengröße
		zu gross
		message trop
		trop volumineux
		taille maximale
		demasiado grande
		excede el tamaño
		troppo grande
		dimensione massima
		muito grande
		слишком большой
		размер письма
		邮件过大
		邮件大小
		サイズ
	`},
	{Content, `
		virus
		malware
		infected
		trojan
		eicar
		clamav
		worm
		ransomware
		harmful
		executable
		forbidden attachment
		banned attachment
		blocked attachment
		attachment * not allowed
		attachment * blocked
		attachment * prohibited
		attachment type
		attachments of this type
		attachment contains
		dangerous attachment
		file type
		file extension
		banned file
		potential security
		content presents a potential
		because its content
		illegal attachment
		rejected attachment
		content restriction
		message contains * blocked
		prohibited content
		invalid content
		message format
		malformed message
		malformed mime
		bad message
		mime * not
		mime error
		not rfc
		rfc compliant
		non-compliant
		noncompliant
		not compliant
		rfcmessagenoncompliant
		message is not rfc
		bare lf
		bare newline
		bare linefeed
		bare cr
		stray linefeed
		null character
		header * missing
		missing * header
		header error
		header too
		headers too large
		header * not allowed
		header * syntax
		invalid header
		duplicate header
		multiple * headers
		multiple addresses in from
		multiple * from:
		headers are not accepted
		header are not accepted
		bad header
		bad from header
		no from header
		date header
		improper use of 8-bit
		improper use
		non-ascii
		8-bit data
		8bitmime
		eight bit
		unsupported charset
		charset
		character set
		boundary
		too many mime
		nested too deep
		encrypted attachment
		encrypted archive
		password protected
		macro
		message filtered
		conversion
		unacceptable content
		bad content
		content * not allowed
		content filter
		content violation
		message body
		zip file
		archive
		вирус
		病毒
		ウイルス
		virenfund
	`},
	{Expired, `
		message expired
		delivery expired
		queue.expired
		has expired
		message timed out
		retry timeout exceeded
		retry time not reached
		retry limit
		retries exceeded
		multiple retries
		too many retries
		too old
		too long in queue
		in the queue too long
		queue too long
		been in the queue
		maximum queue
		queue lifetime
		delivery time expired
		delivery time * exceeded
		time limit * exceeded
		could not be delivered for more than
		could not be delivered for
		could not be delivered within
		could not deliver for the last
		not been delivered * after
		unable to deliver in
		unable to deliver message after
		undeliverable after
		undeliverable for
		was aborted after
		giving up after
		gave up after
		given up after
		stopped trying
		has stopped trying
		delivery timed out
		delivery attempts failed
		delivery attempts
		cannot send message for
		cannot send message within
		will not be retried
		no longer be retried
		it has not been possible to deliver
		retried for
		tried to deliver this message, without success
		for the last
		zeitüberschreitung
		délai dépassé
		délai d'expiration
		tiempo de espera
		tempo scaduto
		tempo limite
		истек
		истекло
		超时
		期限切れ
	`},
	{Network, `
		connection timed out
		connection * timed out
		connection timeout
		connect timeout
		timed out while
		timed out in connect
		timed out
		operation timed out
		timeout
		time out
		connection refused
		connection reset
		connection lost
		connection was lost
		connection dropped
		connection closed
		connection was closed
		connection aborted
		connection failed
		connection failure
		connection died
		connection broken
		connection to * failed
		connection could not be
		connection unexpectedly
		connections to
		connect to
		connect failed
		cannot connect
		can't connect
		could not connect
		couldn't connect
		unable to connect
		failed to connect
		failed connecting
		did not accept our requests to connect
		lost connection
		remote host closed
		remote end closed
		host not reachable
		host unreachable
		host is unreachable
		host is down
		host down
		host did not respond
		not reachable
		network unreachable
		network is unreachable
		network error
		network failure
		no route to
		socket error
		winsock
		broken pipe
		unexpected eof
		end of file
		unable to establish
		wasn't able to establish
		couldn't establish
		cannot establish
		could not establish
		unable to reach
		server not responding
		server is not responding
		server did not respond
		not responding
		no answer from
		no response
		read error
		write error
		i/o error
		communication failure
		communications error
		dns error
		dns failure
		dns lookup fail
		dns query fail
		dns timeout
		dns server
		dns-based
		dns temporarily
		temporary dns
		temporary lookup
		temporary name
		host not found, try again
		try again
		nameserver
		name server error
		name server timeout
		name server failure
		malformed or unexpected name server
		name server: * timeout
		lookup failed temporarily
		lookup did not complete
		lookup * timed out
		host lookup did not
		servfail
		could not complete dns
		transient dns
		cname lookup failed
		gateway for
		could not find a gateway
		no gateway
		transport * unavailable
		remote server * unavailable
		all relevant mx records point to non-existent
		bad helo response
		greylist
		graylist
		greylisting
		grey listed
		verbindung
		connexion
		conexión
		connessione
		conexão
		соединени
		连接
		接続
	`},
	{HostUnknown, `
		host unknown
		host not found
		host * not found
		host is unknown
		host does not exist
		host doesn't exist
		host name lookup failure
		host * invalid
		unknown host
		unknown domain
		unknown mail host
		invalid domain
		invalid host
		invalid mail domain
		illegal host
		bad domain
		bad host
		bad destination host
		bad destination system
		bad address syntax in domain
		domain not found
		domain name not found
		domain does not exist
		domain doesn't exist
		domain * does not exist
		domain * doesn't exist
		domain is not reachable
		domain * is not reachable
		domain unknown
		domain * unknown
		domain is invalid
		domain * invalid
		domain must exist
		domain * couldn't be found
		domain * could not be found
		domain * not found
		domain is not valid
		domain isn't
		domain has no
		domain part
		no such domain
		no such host
		no such mail host
		nxdomain
		nonexistent domain
		non-existent domain
		non-existing domain
		non-existent host
		no mail exchanger
		no mx
		no relevant mx
		no valid mx
		no valid mail exchanger
		mx record * not
		couldn't find any host
		couldn't find a mail exchanger
		could not find any host
		could not find any mx
		could not find a mail exchanger
		unrouteable
		unroutable
		unrouteable domain
		unrouteable mail domain
		unable to route
		cannot route
		no route for
		name or service not known
		name service error
		name lookup failed
		name has no
		name server: * host not found
		no data known
		no address associated
		no a record
		no dns
		dns * not exist
		dns * no such
		all host address lookups failed
		lookup of * failed
		host lookup failed
		unresolvable
		unresolved domain
		cannot resolve
		could not resolve
		unable to resolve
		not able to resolve
		recipient domain
		server for * not found
		server can't find
		cannot find * mail server
		domäne * nicht
		domain * nicht
		unbekannte domain
		domaine * introuvable
		domaine inconnu
		dominio * no
		dominio no encontrado
		dominio * non
		domínio * não
		домен * не
		域名不存在
		ドメイン
		ホスト
	`},
	{UserUnknown, `
		user unknown
		user is unknown
		user * unknown
		user not found
		user * not found
		user doesn't exist
		user does not exist
		user * does not exist
		user * doesn't exist
		user doesn't have a
		user does not have a
		user doesn't have an
		user not exist
		user not known
		user * not known
		user not listed
		user not in
		user missing
		user mismatch
		user invalid
		user isn't
		user is not
		user * no longer
		user no longer
		user account doesn't exist
		user account not found
		user email address is marked
		user has left
		user left
		user removed
		user deleted
		user nonexist
		usersearch
		user name is unknown
		user name unknown
		unknown user
		unknown account
		unknown address
		unknown mailbox
		unknown recipient
		unknown local
		unknown login
		unknown or illegal
		unknown email
		unknown e-mail
		unknown rcpt
		unknown to
		unknown virtual
		unknown destination
		no such user
		no such person
		no such address
		no such mailbox
		no such mail drop
		no such recipient
		no such account
		no such local
		no such name
		no such email
		no such e-mail
		no such rcpt
		no such virtual
		no such alias
		no such box
		no such id
		no such maildrop
		no account
		no mailbox
		no user
		no recipient
		no valid recipient
		no valid user
		no matches to
		no match for
		no known user
		no one here by that name
		no thank you rejected: account unavailable
		no local mailbox
		nosuchuser
		account unavailable
		account not found
		account * not found
		account unknown
		account * unknown
		account does not exist
		account doesn't exist
		account * does not exist
		account * doesn't exist
		account that you tried to reach does not exist
		account not exist
		account not available
		account invalid
		account is unavailable
		account is not
		account deleted
		account removed
		account * deleted
		account * removed
		account no longer
		address unknown
		address is unknown
		address * unknown
		address not found
		address * not found
		address does not exist
		address doesn't exist
		address * does not exist
		address * doesn't exist
		address couldn't be found
		address could not be found
		address wasn't found
		address was not found
		address * was not found
		address is not valid
		address * is not valid
		address not valid
		address not present
		address * invalid
		address invalid
		address not exist
		address not known
		address not listed
		address no longer
		address * no longer
		address error
		address unusable
		address had permanent fatal
		address * is not recognized
		address rejected: undeliverable
		address rejected: unknown
		address rejected: user
		address rejected: no
		address rejected: not
		address rejected: invalid
		address does not have
		address * deleted
		address verification failed
		addressee unknown
		addressee * not
		recipient unknown
		recipient is unknown
		recipient * unknown
		recipient not found
		recipient * not found
		recipient does not exist
		recipient doesn't exist
		recipient * does not exist
		recipient * doesn't exist
		recipient not exist
		recipient not known
		recipient name is not recognized
		recipient name not recognized
		recipient not recognized
		recipient * not recognized
		recipient is not
		recipient * not valid
		recipient not valid
		recipient invalid
		recipient * invalid
		recipient is invalid
		recipient no longer
		recipient * no longer
		recipient not here
		recipient unavailable
		recipient cannot be
		recipient could not be
		recipient address rejected: @
		recipient address reserved
		recipient verification failed
		recipients * invalid
		recipnotfound
		recipientnotfound
		invalid recipient
		invalid address
		invalid user
		invalid mailbox
		invalid account
		invalid email
		invalid e-mail
		invalid local
		invalid rcpt
		invalid destination
		invalid forward path
		illegal alias
		illegal user
		illegal address
		illegal recipient
		incorrect recipient
		incorrect address
		bad recipient
		bad user
		bad address
		bad destination
		bad mailbox
		bad rcpt
		non-existent user
		non-existent recipient
		non-existent address
		non-existent mailbox
		non-existing user
		non existent
		nonexistent user
		nonexistent mailbox
		nonexistent recipient
		nonexisting
		unregistered user
		not a known user
		not a valid user
		not a valid mailbox
		not a valid recipient
		not a valid address
		not a valid local
		not a local
		not a registered
		not a user
		not listed in
		not listed in domino
		not listed in public name
		not known here
		not known at
		not found in directory
		not our customer
		not my
		not recognized as
		not on this
		not exist on
		not existing
		isn't a valid
		is not a valid
		is not a known
		is not a current
		is not a customer
		is not an active
		is not known
		is not registered
		is not here
		wasn't found at
		was not found at
		does not exist here
		does not exist at
		doesn't exist here
		do not exist
		doesn't have a * account
		is no longer valid
		is no longer with
		is no longer available
		is no longer in use
		is no longer active
		is no longer monitored
		is unknown to
		no longer works
		no longer employed
		no longer exists
		no longer an employee
		no longer at this
		has left the
		unable to find recipient
		unable to validate recipient
		unable to verify recipient
		unable to verify user
		couldn't be found
		mailbox not found
		mailbox * not found
		mailbox does not exist
		mailbox doesn't exist
		mailbox * does not exist
		mailbox * doesn't exist
		mailbox not exist
		mailbox unknown
		mailbox is unknown
		mailbox not known
		mailbox name not allowed
		mailbox name is invalid
		mailbox invalid
		mailbox not available
		mailbox not here
		mailbox removed
		mailbox deleted
		mailbox * deleted
		mailbox has been removed
		mailbox no longer
		mailbox is no longer
		name not found
		name is not recognized
		local user not found
		delivery failed to @
		destination address
		destination not
		directory lookup
		login name
		rcpt to: * unknown
		rcp-p1
		rcpt not
		this address no longer
		this address does not
		this address is no
		this is not a valid
		this email address
		adresse * inconnu
		adresse * invalide
		adresse * n'existe
		adresse d * invalide
		destinataire inconnu
		destinataire * inconnu
		destinataire invalide
		destinataire * invalide
		utilisateur inconnu
		boîte * n'existe
		compte inconnu
		compte * n'existe
		n'existe pas
		n'est pas valide
		introuvable
		empfänger unbekannt
		empfänger * unbekannt
		empfänger * existiert nicht
		empfänger existiert
		empfänger * nicht gefunden
		empfängeradresse
		benutzer unbekannt
		benutzer * unbekannt
		benutzer existiert
		adresse unbekannt
		adresse existiert
		adresse nicht
		adresse * nicht gefunden
		adresse wurde nicht gefunden
		adresse konnte nicht gefunden
		adresse ungültig
		ungültige adresse
		unbekannte adresse
		unbekannter empf
		postfach existiert
		postfach nicht
		postfach * nicht
		teilnehmer existiert nicht
		existiert nicht
		existiert hier nicht
		ist nicht bekannt
		nicht bekannt
		nicht bei uns registriert
		usuario desconocido
		usuario no
		usuario inexistente
		destinatario desconocido
		destinatario no
		destinatario * no existe
		dirección * no existe
		dirección no
		dirección desconocida
		no se encontró
		no se ha encontrado
		no existe
		cuenta no
		cuenta inexistente
		buzón no
		utente sconosciuto
		utente non
		utente inesistente
		destinatario sconosciuto
		destinatario non
		destinatario inesistente
		indirizzo * non
		indirizzo non
		indirizzo inesistente
		casella inesistente
		casella * non
		account inesistente
		non esiste
		non è stato trovato
		usuário desconhecido
		usuário não
		usuário inexistente
		usuario inexistente
		destinatário desconhecido
		destinatário não
		endereço * não
		endereço não
		endereço inexistente
		conta inexistente
		não existe
		não encontrado
		não foi encontrado
		onbekende gebruiker
		gebruiker onbekend
		bestaat niet
		niet gevonden
		okänd mottagare
		finns inte
		findes ikke
		finnes ikke
		ei löydy
		nie istnieje
		nieznany użytkownik
		nieznany adresat
		brak użytkownika
		neexistuje
		nenalezen
		nem létezik
		nu există
		kullanıcı bulunamadı
		bulunamadı
		mevcut değil
		не существует
		не найден
		не найдено
		не зарегистрирован
		пользователь не
		неизвестный пользователь
		неизвестный получатель
		несуществующ
		нет такого
		такого пользователя нет
		用户不存在
		用户不
		用户未找到
		收件人不存在
		收件人地址不存在
		邮箱不存在
		帐号不存在
		账号不存在
		地址不存在
		不存在
		無此
		查無此
		宛先不明
		宛先 * 見つかりません
		存在しません
		見つかりません
		存在しない
		使われておりません
		不明なユーザ
		ユーザ不明
		존재하지 않
		찾을 수 없
		없는 사용자
	`},
	{Filtered, `
		refused due to recipient preferences
		recipient preferences
		recipient has blocked
		recipient * has refused
		sieve
		user has blocked
		user * blocked your
		filtered by the recipient
		blocked by the recipient
		refused by recipient
		recipient rejected
		rejected by recipient
		rejected by the recipient
	`},
	{Policy, `
		relay access denied
		relaying denied
		relay denied
		relay not permitted
		relay not allowed
		relay operation rejected
		relaying not allowed
		relaying is not
		relaying prohibited
		relaying to
		relaying mail
		not permitted to relay
		not allowed to relay
		not configured to relay
		not configured for relay
		unable to relay
		cannot relay
		no relay
		no relaying
		we do not relay
		we don't relay
		don't relay
		relay from
		this is not a relay
		is not a relay
		mail relay
		email address is not verified
		not verified
		sender rejected
		sender * rejected
		sender address rejected
		sender denied
		sender * denied
		sender not
		sender * not allowed
		sender * not permitted
		sender is not
		sender domain
		sender verif
		sender refused
		sender unknown
		sender address
		sender * blocked
		senders * not allowed
		unauthenticated sender
		unauthorized sender
		invalid sender
		invalid from
		bad sender
		forged sender
		spoof
		forged
		backscatter
		domain of sender
		null sender
		envelope sender
		mail from * not
		not a member
		not member
		members only
		only members
		member of this
		not subscribed
		permission to post
		post to this group
		not authorized
		not authorised
		not permitted
		not allowed
		not accepted for policy
		policy reason
		policy violation
		policy reject
		policy restriction
		policy rule
		policy
		security
		restricted
		authentication required
		authentication is required
		authentication fail
		authrequired
		authorization
		requires authentication
		must authenticate
		must be authenticated
		does not advertise auth
		credentials
		send mail as
		customfromdenied
		administrative prohibition
		administratively
		administrative
		prohibited
		protocol violation
		violation
		denied by
		access denied
		permission denied
		dk3
		groups.google.com/support
		support.google.com/a/users/answer
		richtlinie
		abgelehnt
		zugriff verweigert
		refusé
		rechazado
		rifiutato
		recusado
		rejeitad
		отклонен
		отказ
		拒绝
		拒収
		拒否
	`},
}

// vagueWords are wordings that count only when neither clear words nor the status say more.
var vagueWords = []group{
	{UserUnknown, `
		mailbox unavailable
		address rejected
		recipient rejected
		recipient address rejected
		recipient refused
		rejected recipient
		does not like recipient
		undeliverable address
		undeliverable recipient
		delivery not possible
		unable to deliver
		no such file
		unknown
		not found
	`},
	{Blocked, `
		blocked
		banned
		refused
	`},
	{Policy, `
		rejected
		denied
		not accepted
		not acceptable
		declined
		disallowed
		unacceptable
		abuse
	`},
	{Content, `
		transaction failed
		header
		attachment
	`},
	{NotAccepting, `
		not accepting
	`},
	{Network, `
		unreachable
		dns
		deferred
		temporarily unavailable
		try later
	`},
}
