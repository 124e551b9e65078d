"""The functions that ``analyst`` may call, and those of them that take a text which the engine reads. Lists, no logic.

By its name and signature, each function reads nothing but its arguments; the list was made without their source code.
``TEXT_ARGUMENTS`` has the functions that take a text which the engine reads as a type, a name or a pattern. A function
that is new in ClickHouse, or an alias of one that takes such a text, is refused until it is on the list.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AGGREGATES_ALLOWED", "FUNCTIONS_ALLOWED", "TEXT_ARGUMENTS", "TYPE_ALIASES_ALLOWED"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS_ALLOWED: Final = _names(
    """
    __actionname _cast abs accuratecast accuratecastordefault accuratecastornull acos acosh adddate adddays addhours
    addinterval addmicroseconds addmilliseconds addminutes addmonths addnanoseconds addquarters addseconds
    addtupleofintervals addweeks addyears aes_decrypt_mysql aes_encrypt_mysql age alphatokens and
    appendtrailingcharifabsent areacartesian areaspherical array arrayall arrayaucpr arrayautocorrelation arrayavg
    arraybottomk arraycompact arrayconcat arraycount arraycumsum arraycumsumnonnegative arraydifference
    arraydistinct arraydotproduct arrayelement arrayelementornull arrayenumerate arrayenumeratedense
    arrayenumeratedenseranked arrayenumerateuniq arrayenumerateuniqranked arrayexcept arrayexists arrayfill
    arrayfilter arrayfirst arrayfirstindex arrayfirstornull arrayflatten arrayflattenedlength arrayfold
    arrayintersect arrayjaccardindex arrayjoin arraylast arraylastindex arraylastornull arraylevenshteindistance
    arraylevenshteindistanceweighted arraymap arraymax arraymin arraynormalizedgini arraypartialreversesort
    arraypartialshuffle arraypartialsort arraypopback arraypopfront arrayproduct arraypushback arraypushfront
    arrayrandomsample arrayreduce arrayreduceinranges arrayremove arrayresize arrayreverse arrayreversefill
    arrayreversesort arrayreversesplit arrayrocauc arrayrotateleft arrayrotateright arrayshiftleft arrayshiftright
    arrayshingles arrayshuffle arraysimilarity arrayslice arraysort arraysplit arraystringconcat arraysum
    arraysymmetricdifference arraytopk arraytranspose arrayunion arrayuniq arraywithconstant arrayzip
    arrayzipunaligned ascii asin asinh assumenotnull atan atan2 atanh avg2 bar base32decode base32encode
    base58decode base58encode base64decode base64encode base64urldecode base64urlencode basename bin bitand bitcount
    bithammingdistance bitmapand bitmapandcardinality bitmapandnot bitmapandnotcardinality bitmapbuild
    bitmapcardinality bitmapcontains bitmaphasall bitmaphasany bitmapmax bitmapmin bitmapor bitmaporcardinality
    bitmapsubsetinrange bitmapsubsetlimit bitmaptoarray bitmaptransform bitmapxor bitmapxorcardinality
    bitmasktoarray bitmasktolist bitnot bitor bitpositionstoarray bitrotateleft bitrotateright bitshiftleft
    bitshiftright bitslice bittest bittestall bittestany bitxor blocknumber blocksize bytehammingdistance bytesize
    byteswap casefoldutf8 casewithexpression casewithoutexpression cast cbrt ceil changeday changehour changeminute
    changemonth changesecond changeyear char cityhash64 clamp coalesce coloroklabtosrgb coloroklchtosrgb
    colorsrgbtooklab colorsrgbtooklch columns comparesubstrings concat concatassumeinjective concatwithseparator
    concatwithseparatorassumeinjective conv convertcharset cos cosh cosinedistance cosinedistancetransposed
    cosinedistancetransposedquantized countdigits countequal countmatches countmatchescaseinsensitive
    countsubstrings countsubstringscaseinsensitive countsubstringscaseinsensitiveutf8 crc32 crc32ieee crc64
    currentdatabase currentroles currentschemas currentuser cutfragment cutipv6 cutquerystring
    cutquerystringandfragment cuttofirstsignificantsubdomain cuttofirstsignificantsubdomaincustom
    cuttofirstsignificantsubdomaincustomrfc cuttofirstsignificantsubdomaincustomwithwww
    cuttofirstsignificantsubdomaincustomwithwwwrfc cuttofirstsignificantsubdomainrfc
    cuttofirstsignificantsubdomainwithwww cuttofirstsignificantsubdomainwithwwwrfc cuturlparameter cutwww
    dameraulevenshteindistance date datediff datename datetime64tosnowflakeid datetimetosnowflakeid datetimetouuidv7
    datetrunc decodehtmlcomponent decodeurlcomponent decodeurlformcomponent decodexmlcomponent decrypt defaultroles
    defaultvalueofargumenttype defaultvalueoftypename degrees dequantizeint8tobfloat16 digits divide dividedecimal
    divideornull domain domainrfc domainwithoutwww domainwithoutwwwrfc dotproduct dotproducttransposed
    dotproducttransposedquantized dumpcolumnstructure dynamicelement dynamictype e editdistance editdistanceutf8
    empty emptyarraydate emptyarraydatetime emptyarrayfloat32 emptyarrayfloat64 emptyarrayint16 emptyarrayint32
    emptyarrayint64 emptyarrayint8 emptyarraystring emptyarraytosingle emptyarrayuint16 emptyarrayuint32
    emptyarrayuint64 emptyarrayuint8 enabledroles encodeurlcomponent encodeurlformcomponent encodexmlcomponent
    encrypt endswith endswithcaseinsensitive endswithcaseinsensitiveutf8 endswithutf8 equals erf erfc
    errorcodetoname exists exp exp10 exp2 extract extractall extractallgroupshorizontal extractallgroupsvertical
    extractgroups extractkeyvaluepairs extractkeyvaluepairswithescaping extracttextfromhtml extracturlparameter
    extracturlparameternames extracturlparameters factorial farmfingerprint64 farmhash64 finalizeaggregation
    financialinternalrateofreturn financialinternalrateofreturnextended financialnetpresentvalue
    financialnetpresentvalueextended firstline firstnondefault firstsignificantsubdomain
    firstsignificantsubdomaincustom firstsignificantsubdomaincustomrfc firstsignificantsubdomainrfc flattentuple
    flipcoordinates floor format formatdatetime formatdatetimeinjodasyntax formatreadabledecimalsize
    formatreadablequantity formatreadablesize formatreadabletimedelta fragment fromdayssinceyearzero
    fromdayssinceyearzero32 frommodifiedjulianday frommodifiedjuliandayornull fromunixtimestamp
    fromunixtimestamp64micro fromunixtimestamp64milli fromunixtimestamp64nano fromunixtimestamp64second
    fromunixtimestampinjodasyntax fromutctimestamp fuzzbits gccmurmurhash gcd generatesnowflakeid generateuuidv4
    generateuuidv7 geodistance geohashdecode geohashencode geohashesinbox geometryintersectcartesian
    geometryintersectspherical geotoh3 geotomgrs geotoutm getsetting getsettingordefault getsizeofenumtype
    getsubcolumn globalin globalinignoreset globalnotin globalnotinignoreset globalnotnullin
    globalnotnullinignoreset globalnullin globalnullinignoreset globalvariable greatcircleangle greatcircledistance
    greater greaterorequals greatest grouping h3cellaream2 h3cellarearads2 h3distance h3edgeangle h3edgelengthkm
    h3edgelengthm h3exactedgelengthkm h3exactedgelengthm h3exactedgelengthrads h3getbasecell
    h3getdestinationindexfromunidirectionaledge h3getfaces h3getindexesfromunidirectionaledge
    h3getoriginindexfromunidirectionaledge h3getpentagonindexes h3getres0indexes h3getresolution
    h3getunidirectionaledge h3getunidirectionaledgeboundary h3getunidirectionaledgesfromhexagon h3hexareakm2
    h3hexaream2 h3hexring h3indexesareneighbors h3ispentagon h3isresclassiii h3isvalid h3kring h3line h3numhexagons
    h3pointdistkm h3pointdistm h3pointdistrads h3polygontocells h3polygontocellswithcontainment h3tocenterchild
    h3tochildren h3togeo h3togeoboundary h3toparent h3tostring h3unidirectionaledgeisvalid halfmd5 has hasall
    hasalltokens hasany hasanytokens hasphrase hassubsequence hassubsequencecaseinsensitive
    hassubsequencecaseinsensitiveutf8 hassubsequenceutf8 hassubstr hastoken hastokencaseinsensitive
    hastokencaseinsensitiveornull hastokenornull hex highlight hilbertdecode hilbertencode hivehash hmac hop hopend
    hopstart hypot iceberghash identity if ifnotfinite ifnull ignore ilike in indexhint indexof indexofassumesorted
    inignoreset initcap initcaputf8 initializeaggregation initialqueryid intdiv intdivornull intdivorzero intexp10
    intexp2 inthash32 inthash64 ipv4cidrtorange ipv4numtostring ipv4numtostringclassc ipv4stringtonum
    ipv4stringtonumordefault ipv4stringtonumornull ipv4toipv6 ipv6cidrtorange ipv6numtostring ipv6stringtonum
    ipv6stringtonumordefault ipv6stringtonumornull isconstant isdecimaloverflow isdistinctfrom
    isdynamicelementinshareddata isfinite isinfinite isipaddressinrange isipv4string isipv6string isnan
    isnotdistinctfrom isnotnull isnull isnullable isprime isprobableprime isvalidascii isvalidjson isvalidutf8
    iszeroornull jarosimilarity jarowinklersimilarity javahash javahashutf16le json_exists json_query json_value
    jsonallpaths jsonallpathswithtypes jsonallvalues jsonarraylength jsondynamicpaths jsondynamicpathswithtypes
    jsonextract jsonextractarrayraw jsonextractarrayrawcaseinsensitive jsonextractbool
    jsonextractboolcaseinsensitive jsonextractcaseinsensitive jsonextractfloat jsonextractfloatcaseinsensitive
    jsonextractint jsonextractintcaseinsensitive jsonextractkeys jsonextractkeysandvalues
    jsonextractkeysandvaluescaseinsensitive jsonextractkeysandvaluesraw jsonextractkeysandvaluesrawcaseinsensitive
    jsonextractkeyscaseinsensitive jsonextractraw jsonextractrawcaseinsensitive jsonextractstring
    jsonextractstringcaseinsensitive jsonextractuint jsonextractuintcaseinsensitive jsonhas jsonkey jsonlength
    jsonmergepatch jsonshareddatapaths jsonshareddatapathswithtypes jsontype jumpconsistenthash kafkamurmurhash
    keccak256 kostikconsistenthash kqlbin kqlbinat kqldatetimebinat kqldivide kqlmultiply kqlrangecount
    kqltotimespan l1distance l1norm l1normalize l2distance l2distancetransposed l2distancetransposedquantized l2norm
    l2normalize l2squareddistance l2squarednorm lambda lcm least left leftpad leftpadutf8 leftutf8 length lengthutf8
    less lessorequals lgamma like linfdistance linfnorm linfnormalize localtime locate log log10 log1p log2
    lowcardinalityindices lowcardinalitykeys lower lowerutf8 lpdistance lpnorm lpnormalize macnumtostring
    macstringtonum macstringtooui makedate makedate32 makedatetime makedatetime64 map mapadd mapall mapapply
    mapconcat mapcontainskey mapcontainskeylike mapcontainsvalue mapcontainsvaluelike mapexists mapextractkeylike
    mapextractvaluelike mapfilter mapfromarrays mapkeys mappartialreversesort mappartialsort mappopulateseries
    mapreversesort mapsort mapsubtract mapupdate mapvalues match matchcaseinsensitive materialize max2 md4 md5
    metrohash64 mgrstogeo midpoint min2 minsamplesizecontinuous minsamplesizeconversion minus modulo modulolegacy
    moduloornull moduloorzero monthname mortondecode mortonencode multifuzzymatchallindices multifuzzymatchany
    multifuzzymatchanyindex multiif multimatchallindices multimatchany multimatchanyindex multiply multiplydecimal
    multisearchallpositions multisearchallpositionscaseinsensitive multisearchallpositionscaseinsensitiveutf8
    multisearchallpositionsutf8 multisearchany multisearchanycaseinsensitive multisearchanycaseinsensitiveutf8
    multisearchanyutf8 multisearchfirstindex multisearchfirstindexcaseinsensitive
    multisearchfirstindexcaseinsensitiveutf8 multisearchfirstindexutf8 multisearchfirstposition
    multisearchfirstpositioncaseinsensitive multisearchfirstpositioncaseinsensitiveutf8 multisearchfirstpositionutf8
    murmurhash2_32 murmurhash2_64 murmurhash3_128 murmurhash3_32 murmurhash3_64 mvtboundingbox
    mvtboundingboxmercator mvtencodegeom naivebayesngrams naturalsortkey negate neighbor nested netloc ngramdistance
    ngramdistancecaseinsensitive ngramdistancecaseinsensitiveutf8 ngramdistanceutf8 ngramminhash ngramminhasharg
    ngramminhashargcaseinsensitive ngramminhashargcaseinsensitiveutf8 ngramminhashargutf8
    ngramminhashcaseinsensitive ngramminhashcaseinsensitiveutf8 ngramminhashutf8 ngrams ngramsearch
    ngramsearchcaseinsensitive ngramsearchcaseinsensitiveutf8 ngramsearchutf8 ngramsimhash
    ngramsimhashcaseinsensitive ngramsimhashcaseinsensitiveutf8 ngramsimhashutf8 normalizeutf8nfc normalizeutf8nfd
    normalizeutf8nfkc normalizeutf8nfkccasefold normalizeutf8nfkd not notempty notequals nothas notilike notin
    notinignoreset notlike notmatch notmatchcaseinsensitive notnullin notnullinignoreset now now64 nowinblock
    nowinblock64 nullif nullin nullinignoreset numericindexedvectorallvaluesum numericindexedvectorbuild
    numericindexedvectorcardinality numericindexedvectorgetvalue numericindexedvectorpointwiseadd
    numericindexedvectorpointwisedivide numericindexedvectorpointwiseequal numericindexedvectorpointwisegreater
    numericindexedvectorpointwisegreaterequal numericindexedvectorpointwiseless
    numericindexedvectorpointwiselessequal numericindexedvectorpointwisemultiply
    numericindexedvectorpointwisenotequal numericindexedvectorpointwisesubtract numericindexedvectorshortdebugstring
    numericindexedvectortomap or overlay overlayutf8 parsedatetime parsedatetime32besteffort
    parsedatetime32besteffortornull parsedatetime32besteffortorzero parsedatetime64 parsedatetime64besteffort
    parsedatetime64besteffortornull parsedatetime64besteffortorzero parsedatetime64besteffortus
    parsedatetime64besteffortusornull parsedatetime64besteffortusorzero parsedatetime64injodasyntax
    parsedatetime64injodasyntaxornull parsedatetime64injodasyntaxorzero parsedatetime64ornull parsedatetime64orzero
    parsedatetimebesteffort parsedatetimebesteffortornull parsedatetimebesteffortorzero parsedatetimebesteffortus
    parsedatetimebesteffortusornull parsedatetimebesteffortusorzero parsedatetimeinjodasyntax
    parsedatetimeinjodasyntaxornull parsedatetimeinjodasyntaxorzero parsedatetimeornull parsedatetimeorzero
    parseiso8601duration parsereadablesize parsereadablesizeornull parsereadablesizeorzero parsetimedelta path
    pathfull perimetercartesian perimeterspherical pi plus pointinellipses pointinpolygon polygonareacartesian
    polygonareaspherical polygonconvexhullcartesian polygonperimetercartesian polygonperimeterspherical
    polygonsdistancecartesian polygonsdistancespherical polygonsequalscartesian polygonsintersectcartesian
    polygonsintersectioncartesian polygonsintersectionspherical polygonsintersectspherical
    polygonssymdifferencecartesian polygonssymdifferencespherical polygonsunioncartesian polygonsunionspherical
    polygonswithincartesian polygonswithinspherical port portrfc position positioncaseinsensitive
    positioncaseinsensitiveutf8 positionutf8 positivemodulo positivemoduloornull pow prettyprintjson
    proportionsztest protocol quantizebfloat16toint8 queryid querystring querystringandfragment radians rand rand64
    randbernoulli randbinomial randcanonical randchisquared randconstant randexponential randfisherf randlognormal
    randnegativebinomial randnormal randomfixedstring randomhadamardtransform randomprintableascii randomstring
    randomstringutf8 randpoisson randstudentt randuniform range readwkb readwkblinestring readwkbmultilinestring
    readwkbmultipoint readwkbmultipolygon readwkbpoint readwkbpolygon readwkt readwktlinestring
    readwktmultilinestring readwktmultipoint readwktmultipolygon readwktpoint readwktpolygon readwktring
    regexpextract regexpposition regexpquotemeta reinterpret reinterpretasdate reinterpretasdatetime
    reinterpretasfixedstring reinterpretasfloat32 reinterpretasfloat64 reinterpretasint128 reinterpretasint16
    reinterpretasint256 reinterpretasint32 reinterpretasint64 reinterpretasint8 reinterpretasstring
    reinterpretasuint128 reinterpretasuint16 reinterpretasuint256 reinterpretasuint32 reinterpretasuint64
    reinterpretasuint8 reinterpretasuuid removediacriticsutf8 repeat replaceall replaceone replaceregexpall
    replaceregexpone replicate reverse reversebyseparator reverseutf8 revision right rightpad rightpadutf8 rightutf8
    ripemd160 round roundage roundbankers rounddown roundduration roundtoexp2 rownumberinallblocks rownumberinblock
    runningaccumulate runningconcurrency runningdifference runningdifferencestartingwithfirstvalue
    seriesdecomposestl seriesoutliersdetecttukey servertimezone sha1 sha224 sha256 sha384 sha512 sha512_256 sigmoid
    sign simplejsonextractbool simplejsonextractfloat simplejsonextractint simplejsonextractraw
    simplejsonextractstring simplejsonextractuint simplejsonhas sin sinh siphash128 siphash128keyed
    siphash128reference siphash128referencekeyed siphash64 siphash64keyed sleep sleepeachrow snowflakeidtodatetime
    snowflakeidtodatetime64 soundex space sparsegrams sparsegramshashes sparsegramshashesutf8 sparsegramsutf8
    splitbychar splitbynonalpha splitbyregexp splitbystring splitbywhitespace sqiddecode sqidencode sqr sqrt
    startswith startswithcaseinsensitive startswithcaseinsensitiveutf8 startswithutf8 stringbytesentropy
    stringbytesuniq stringjaccardindex stringjaccardindexutf8 stringtoh3 subbitmap subdate substring substringindex
    substringindexutf8 substringutf8 subtractdays subtracthours subtractinterval subtractmicroseconds
    subtractmilliseconds subtractminutes subtractmonths subtractnanoseconds subtractquarters subtractseconds
    subtracttupleofintervals subtractweeks subtractyears svg tan tanh tgamma throwif timediff timeseriescopytag
    timeseriescopytags timeseriesextracttag timeseriesfromgrid timeseriesgrouptosamplingkey timeseriesgrouptotags
    timeseriesidtogroup timeseriesidtotags timeseriesjointags timeseriesmetrictypetosuffixes
    timeseriesprometheusvaluetostring timeseriesrange timeseriesremovealltagsexcept timeseriesremovetag
    timeseriesremovetags timeseriesreplacetag timeseriesstoretags timeseriestagstogroup timeseriestagstomap
    timeseriesthrowduplicateseriesif timeslot timeslots timestamp timezone timezoneof timezoneoffset tobfloat16
    tobfloat16ornull tobfloat16orzero tobool tocolumntypename todate todate32 todate32ordefault todate32ornull
    todate32orzero todateordefault todateornull todateorzero todatetime todatetime32 todatetime64
    todatetime64ordefault todatetime64ornull todatetime64orzero todatetimeordefault todatetimeornull
    todatetimeorzero today todayofmonth todayofweek todayofyear todaysinmonth todayssinceyearzero todecimal128
    todecimal128ordefault todecimal128ornull todecimal128orzero todecimal256 todecimal256ordefault
    todecimal256ornull todecimal256orzero todecimal32 todecimal32ordefault todecimal32ornull todecimal32orzero
    todecimal64 todecimal64ordefault todecimal64ornull todecimal64orzero todecimalstring tofixedstring tofloat32
    tofloat32ordefault tofloat32ornull tofloat32orzero tofloat64 tofloat64ordefault tofloat64ornull tofloat64orzero
    tohour toint128 toint128ordefault toint128ornull toint128orzero toint16 toint16ordefault toint16ornull
    toint16orzero toint256 toint256ordefault toint256ornull toint256orzero toint32 toint32ordefault toint32ornull
    toint32orzero toint64 toint64ordefault toint64ornull toint64orzero toint8 toint8ordefault toint8ornull
    toint8orzero tointerval tointervalday tointervalhour tointervalmicrosecond tointervalmillisecond
    tointervalminute tointervalmonth tointervalnanosecond tointervalquarter tointervalsecond tointervalweek
    tointervalyear toipv4 toipv4ordefault toipv4ornull toipv4orzero toipv6 toipv6ordefault toipv6ornull toipv6orzero
    toisoweek toisoyear tojsonstring tokens tokensforlikepattern tolastdayofmonth tolastdayofweek tolowcardinality
    tomicrosecond tomillisecond tominute tomodifiedjulianday tomodifiedjuliandayornull tomonday tomonth
    tomonthnumsinceepoch tonanosecond tonullable topleveldomain topleveldomainrfc toquarter torelativedaynum
    torelativehournum torelativeminutenum torelativemonthnum torelativequarternum torelativesecondnum
    torelativeweeknum torelativeyearnum tosecond tostartofday tostartoffifteenminutes tostartoffiveminutes
    tostartofhour tostartofinterval tostartofisoyear tostartofmicrosecond tostartofmillisecond tostartofminute
    tostartofmonth tostartofnanosecond tostartofquarter tostartofsecond tostartoftenminutes tostartofweek
    tostartofyear tostring tostringcuttozero totime totime64 totime64ornull totime64orzero totimeornull totimeorzero
    totimewithfixeddate totimezone totypename touint128 touint128ordefault touint128ornull touint128orzero touint16
    touint16ordefault touint16ornull touint16orzero touint256 touint256ordefault touint256ornull touint256orzero
    touint32 touint32ordefault touint32ornull touint32orzero touint64 touint64ordefault touint64ornull
    touint64orzero touint8 touint8ordefault touint8ornull touint8orzero tounixtimestamp tounixtimestamp64micro
    tounixtimestamp64milli tounixtimestamp64nano tounixtimestamp64second toutctimestamp touuid touuidordefault
    touuidornull touuidorzero tovalidutf8 toweek toyear toyearnumsinceepoch toyearweek toyyyymm toyyyymmdd
    toyyyymmddhhmmss transform translate translateutf8 trimboth trimleft trimright trunc trybase32decode
    trybase58decode trybase64decode trybase64urldecode trydecrypt tumble tumbleend tumblestart tuple tupleconcat
    tupledivide tupledividebynumber tupleelement tuplehammingdistance tupleintdiv tupleintdivbynumber
    tupleintdivorzero tupleintdivorzerobynumber tupleminus tuplemodulo tuplemodulobynumber tuplemultiply
    tuplemultiplybynumber tuplenames tuplenegate tupleplus tuplepositivemodulobynumber tupletonamevaluepairs unbin
    unhex unnest untuple upper upperutf8 uptime urlhash utctimestamp utmtogeo uuidnumtostring uuidstringtonum
    uuidtonum uuidv7todatetime variantelement varianttype version visiblewidth widthbucket wkb wkt
    wordshingleminhash wordshingleminhasharg wordshingleminhashargcaseinsensitive
    wordshingleminhashargcaseinsensitiveutf8 wordshingleminhashargutf8 wordshingleminhashcaseinsensitive
    wordshingleminhashcaseinsensitiveutf8 wordshingleminhashutf8 wordshinglesimhash
    wordshinglesimhashcaseinsensitive wordshinglesimhashcaseinsensitiveutf8 wordshinglesimhashutf8 wyhash64 xor xxh3
    xxh3_128 xxhash32 xxhash64 xxhash64spark yesterday yyyymmddhhmmsstodatetime yyyymmddhhmmsstodatetime64
    yyyymmddtodate yyyymmddtodate32
    """
)
"""Functions, and parts of the syntax that are functions in a tree, in lower case.

Not here, because they read a text as a format or as SQL: formatRow, formatQuery, normalizeQuery and their kin; and
what makes gigabytes before any bound is looked at: printf, whose pattern may name such a width, and URLHierarchy and
URLPathHierarchy, whose answers grow with the square of a text (4 GB of one of 400 kB, with a bound of 512 MB).
"""

AGGREGATES_ALLOWED: Final = _names(
    """
    analysisofvariance any any_respect_nulls anyheavy anylast anylast_respect_nulls approx_top_k approx_top_sum
    argandmax argandmin argmax argmin avg avgweighted boundingratio categoricalinformationvalue contingency corr
    corrmatrix corrstable count covarpop covarpopmatrix covarpopstable covarsamp covarsampmatrix covarsampstable
    cramersv cramersvbiascorrected cume_dist deltasum deltasumtimestamp denserank distinctdynamictypes
    distinctjsonpaths distinctjsonpathsandtypes entropy exponentialmovingaverage exponentialtimedecayedavg
    exponentialtimedecayedcount exponentialtimedecayedmax exponentialtimedecayedsum gini grouparray
    grouparrayinsertat grouparrayintersect grouparraylast grouparraymovingavg grouparraymovingsum grouparraysample
    grouparraysorted groupbitand groupbitmap groupbitmapand groupbitmapor groupbitmapxor groupbitor groupbitxor
    groupconcat groupnumericindexedvector groupuniqarray histogram intervallengthsum kolmogorovsmirnovtest kurtpop
    kurtsamp lag laginframe largesttrianglethreebuckets lead leadinframe mannwhitneyutest max maxintersections
    maxintersectionsposition maxmappedarrays meanztest mergedjsonpatch min minmappedarrays mvtencode
    nonnegativederivative nothing nothingnull nothinguint64 nth_value ntile percentrank quantile quantilebfloat16
    quantilebfloat16weighted quantiledd quantiledeterministic quantileexact quantileexactexclusive quantileexacthigh
    quantileexactinclusive quantileexactlow quantileexactweighted quantileexactweightedinterpolated quantilegk
    quantileinterpolatedweighted quantileprometheushistogram quantiles quantilesbfloat16 quantilesbfloat16weighted
    quantilesdd quantilesdeterministic quantilesexact quantilesexactexclusive quantilesexacthigh
    quantilesexactinclusive quantilesexactlow quantilesexactweighted quantilesexactweightedinterpolated quantilesgk
    quantilesinterpolatedweighted quantilesprometheushistogram quantilestdigest quantilestdigestweighted
    quantilestiming quantilestimingweighted quantiletdigest quantiletdigestweighted quantiletiming
    quantiletimingweighted rank rankcorr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
    regr_sxy regr_syy retention row_number sequencecount sequencematch sequencematchevents simplelinearregression
    singlevalueornull skewpop skewsamp sparkbar stddevpop stddevpopstable stddevsamp stddevsampstable
    stochasticlinearregression stochasticlogisticregression studentttest studentttestonesample sum sumcount sumkahan
    summapfiltered summapfilteredwithoverflow summappedarrays summapwithoverflow sumwithoverflow theilsu topk
    topkweighted uniq uniqcombined uniqcombined64 uniqexact uniqhll12 uniqupto varpop varpopstable varsamp
    varsampstable welchttest windowfunnel
    """
)
"""Aggregate and window functions, in lower case.

Not here: groupFormat, which takes the name of a format, and estimateCompressionRatio, which takes a codec; aggThrow,
which fails on purpose; hierarchicalKMeans, which computes for minutes at the end of a query, where nothing stops it;
and those that the engine calls experimental and refuses by a setting: sequenceNextNode, timeSeries…
"""

TEXT_ARGUMENTS: Final = {
    **dict.fromkeys(
        ("cast", "_cast", "accuratecast", "accuratecastornull", "accuratecastordefault", "reinterpret"), ("type", 1)
    ),
    **dict.fromkeys(("dynamicelement", "variantelement"), ("type", 1)),
    "defaultvalueoftypename": ("type", 0),
    **dict.fromkeys(
        (
            "jsonextract", "jsonextractcaseinsensitive", "jsonextractkeysandvalues",
            "jsonextractkeysandvaluescaseinsensitive",
        ),
        ("type", -1),
    ),
    **dict.fromkeys(("arrayreduce", "arrayreduceinranges", "initializeaggregation"), ("aggregate", 0)),
    **dict.fromkeys(
        (
            "parsedatetimeinjodasyntax", "parsedatetimeinjodasyntaxornull", "parsedatetimeinjodasyntaxorzero",
            "parsedatetime64injodasyntax", "parsedatetime64injodasyntaxornull", "parsedatetime64injodasyntaxorzero",
        ),
        ("pattern", 1),
    ),
    "getsubcolumn": ("name", 1),
    **dict.fromkeys(("hasanytokens", "hasalltokens", "hasphrase"), ("tokenizer", 2)),
    **dict.fromkeys(("tokens", "tokensforlikepattern"), ("tokenizer", 1)),
}  # fmt: skip
"""Functions, in lower case, that take a text which the engine reads: its sort, and its argument (-1: the last).

The argument must be one literal, and its text is compared with the lists.
"""

TYPE_ALIASES_ALLOWED: Final = _names(
    """
    int integer bigint smallint tinyint float double precision real text varchar char boolean timestamp dec numeric
    dynamic point ring polygon multipolygon linestring multilinestring intervalnanosecond intervalmicrosecond
    intervalmillisecond intervalsecond intervalminute intervalhour intervalday intervalweek intervalmonth
    intervalquarter intervalyear
    """
)
"""Types, in lower case, that a text may name in addition to those of parameters."""
