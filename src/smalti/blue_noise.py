"""A tile of blue-noise thresholds, written by tools/blue_noise.py, which says how."""

import base64

import numpy as np
from numpy.typing import NDArray

__all__ = ["tile"]

SIDE = 64
RANKS = (
    "f*$rzrxP@w1V^}Z#*sSCn-90+oy|?^Yl%wyf<l%j;7QDu8`{Mcl`W@rHD(K(&l#yMjXTGgY{FFojW6<}zGs*^+h)dg"
    "<zAf`Dy#ur_=Ht(IJJGHBHFJL#^R}Sw1W)tKa6xyyx|7AjrPASZo2<k;tzfJBHKUvxJ+;jKk5Os9sH9gu{ih5Z0UQs"
    "L@w=;9{&zn#65UoAz3v9`eQ1nSmY-6K5$mfL?3zHM+Sx=zouhFtP+Kv8sL-ESB%hZg+Nyk)O-tzQ$5!mpu`idVAwL4"
    "^aALbxATwCQJmCn!2z|N9E<E1pXF7Or_*VhN!2Tn=3&rnHeIqRc&;Q(;k~BmVw+03@)MJ2=TUXeLxsR<OpYtgKYJR#"
    "J|5~fkxPJH)~qyrW3e_5_a{8^6?X0gw@WF$?|}yX6gl&u4=Zyzz#iEyW}?G2hzQ*)p9ke2tK4u?3ant~iLrYR|I9Jz"
    "5lY7V0@H=WV}HS`idw-ueVpD4r%1+^)w*1K$Byv>hWd4{1>RX8{H&2)^mnsAfEKv?huST222;mjsvdT^m1!uMP$ln4"
    "7~@p{;3J}H{T^D7axdp-LyZRLL}AfQq**_W?nQyma6T8sNE}=F(qT89A4$5Q_17euJK<CX_JrKMccW*wj-o1Z%17%E"
    "$2ZRN6tP$$_;Af8o*A+&-VMqnZM_wqPrTuPr_G2inGNb`#qC-YHj+o|Y>d>PK^<BVJ?08B&O`ODHJ5=_u7+qvzl7PO"
    "7_T;1zx{ZVWUK3zIj7q%^aWxfH|YeqPsoKs0FrypWq`m4uoX0B$*$>=*06*AZw-c7-3z`i;}xeP;y3_#O6->4Y!W@_"
    "AAS^F{s>f#d9<4Ga+PG?bs(bMuPQ$Mq#WH^`hUIeDSS$9D_tH`n%Te_cun?jl~4I}omG{^EMp3UNSnJ<#o0x-g2HL$"
    "AUxPiz8OcVIPq5)ap%7ZOSUg~K_Qe<5}Nx5#Gv53J||`BqR%3-2*5MS4eV>%h^5FP)$aj{HEy3P)g3~Z%Uu(OEYtW5"
    "kIsL(OqXJX*=v>M#HreG;<z)?cSVf?@vf0XFN$VB+Io&#u0tZTQS&=-uP}G1`3vP!bEx$Tv2y&aV4!`)Xf6f%G}RKU"
    "DDnnR6k$04hDT$l81^)4e^3y&{RF7-RVMBk)`0&AdK=l3Ph`s=TeXK2>@tW{;4YH`<~$uuu;E>%i6ie;JG_0O(u?t~"
    "$|LQLSg_Z`Bje3;SH^r6mC$XUGGUj)=3loA`xxJsI?pJZy<o^8en!Jn&2O3R5|P3{Ysh(+&14_?E^-}9X`Kw*D1r}N"
    "sEIe9Cf-KDHnRgv<hmt6qb`U+pudDj^mt|7NdTAFsq!0qvnbYEIeH)J39&{O<b*`ASG|_i{xZUJPVb#U`UYe05|L}_"
    "U4Qw<hYoel0&VTgb1_~My9TT|g!*qk3~8Y?>JW#i$n;T}*;xKFqypBG4(K`vepjkJ&9@zSzfRJ7x-+8@C#yjmT&VX}"
    "-M=4G3iGPtk5uj+q0lY7-&e<sPiXip0c*1>fD?{zxnS-#e9mLIkQe8d0%|zmkSVM`+gSR`h2LzL=qWvrdq}I2)_);y"
    "G}e8$VH8l3e<=S7)2%;zoZmvyW~;{OC{4m^BBMz1E!Siw`Hj(F6YFgmivV^>xd}1BdegKNo-zGqJGxHHpA}0m=y<E_"
    "7`8`rlpx~8OdX61@iIyqhMX3x`-v5+aK1!=uS_hnnNrN9^0qFSVe_X`6-sLEUkAq-<%|LEWxxHH$OzUvZK35Zz*Goi"
    "wfu9sTcO};%<@6kS~B8O1f1&*%W&fd{5pguU_;@~6h4Z|{EsEev50h{DP65XCWQ@bRf;TJ^#q4w*rn}>ET25hCV~U9"
    "Rt|K72%5xy(=S?+JQ|{XW55pAcc34HZ093!1El0TQS#PE!ufmFoZmaMALP55$xFE!KzcRH6ItUBmiR!`jW@5z>PKiE"
    "vh#S{xbacdA(ik>x(EMAyqncTwpe@_nh-T@3z0DwS-W@bpGk5Sdnn?Q`45_D^Mb8#OTKt2q5T_NDyI24k4F(GWP~ua"
    "MsKPw=#N~gEeT+U@GRQF=3%#=*-x`@@(E2V&;k27(yCW)#7^L{K^@gH>0cV*XG_?WymAuST*|DM&;y+J49JHXYCFk!"
    "+x9lZ4WMd3eJl5dCG5#XkJPJ!WRb95itPw8t|MOnk-t@&2d0L_3%7nc0nvq@8*cwpJ?e2--8Wp(u;L>SPm!*5QO*~V"
    "0?9@bUw8ziDPkM-KgT2A5=5eb+>X!gaVr0O%q{jlmnGwD^-(|Xw>1lTz8tP9d!X|Hm{NnH&1e+uiZ%YW;BTwsyqP-x"
    "eY)J35O_|Tb;V`<7Hu#|q}>ulXRuRq>s_lDlCNeYeAT7jj7iIt61q%uGWxzg=_yCoAg5kQo;HhBE81$z5kpum%<Q!^"
    "^dYf2RL8Rogju(X<{8xl!HYuAFT@YyluBY4Fz00ZJ=!4Wiy3PRe6yLmZ{C6(XVVM$ei=}$jOlQyh+qZRR))|7>6>}@"
    "%Qn|0ojil2GZgq*gYI%T%mekibEO4`R)46&Uem4LT>Ju8J`cq2xh9%H$)oEeHo*w_AwZ;V7N<s&VI@NxXO;wY`NU=K"
    "P}*&!1xuN~S$~>8+EFLA&@O2RJe?;>l{AOS^O7=Bi05^*WC4d@-JMc?zu}F%<tp}d)wboRPVcisTN5a@dzd1--Yc#e"
    ">nyY&iNo)l4)&4ZQul<y9MowhrgpFeKU*5yG4e;absN_)XAw>^d|tv4HGl_;!Xka%rHtc356L@uRQqX#Mc82d6KyzM"
    "cS*e;uVfH!@3Bqg5?<K#mCmM5dc&6x{6dPa@uA242bQi+@LJ7lI@ewhGtX$N{$1A#i^dVpmkD*INtM(g<DoQi+BeIl"
    "Kn9q3z(XQ$5HI}+kR#GJrDDYbNF;-5*g)bOkfS61455ejxlsayE|RG2L7^~P^SCv}<pQsQ!x8a^0hQ_{i(=e1_lBd$"
    "vVUH@;Al~J+$rsInd4d)t0;kG(LA+GbihR^ahT}AOc!q>z-8iq98r!Sd{+2AXictLz(#Xb{l+1)3|Z_sYS^4Z7qImO"
    "w~`i6(>J=4&r|rj4tVC6+#Bny*&H})^0M7ig8;NYq{{AS+A*LQ-jOZSALO+Pq<>0op3fId=M5_Dh%uglLtVawstfi+"
    "cLSU-?O7HrV~te_flADv3Vt`p@Run4YzI5D4T!vS$OivvpMf#dJQdjKGJ2G~fu>h>&R^yx%KI|pBxivt<+W@{j;(>b"
    "(K@EdVf>0G+F_ItNO8ng(}JH*&tUK;RHu4D6ISz!Yp{@10Q+AbF!I3!vPuxCY801pOVGifSRmZV3g1Eb0DAE)oDaNN"
    "LAm%Wtmhk#6XhlMlpRKx;WxPI%&Hl{TJ|Q#qqsoPa7d6i|CV&yOt04k@sd3b|A{=MTq$vxPqZ6t-aB{eq8@9?h+i|i"
    "Osr*hHMZDk7KUF6j&4UO-3~;4XBy(2wHV!I9?>q1^g4o8wH;y9a=R9I_PEy|WaN;<QLZA*0*&NQ4cVUedpzF`%Yy->"
    "`o<^LGq&!Oaj4AYF^E_R_*BM(sztv5U?9n!G<@TwFH7s2HHi<b$u33*hxe9bNwzt7sX=W6&LFs(NMh<ec21%7d0GO|"
    "G>K9MvhT%{dncj_>{)*2w{_$Y`@T*Bj?8BVQ{`+ugZrl0U==p*g4QPf!Xf6AP>5UpE7gu7v<r|!7vY{yxgGwSbVVLG"
    "&*VaPEYupHF_lPXiz9CJwIScE$RnQYSQm6Cwb6CH5m%fCie0lX@WTmusuaFh&Fx~Vz=tLAeP+NXTh^yz0<>HEl(1|<"
    "`3cspIozT^fLu9mgGJH<y_ZYrgHEF?;;(7zP1JrCX{bBsY)kcjHgPG`I9|&{4B0;Efe-eEop2VtI}G88!drqI!&wf>"
    "8SkGC^Ri!iHr}laIq(E+MvpSe95>^dNYWmYxiFaprr;5M{RnTcilh~jv@pR(>onMkV#-h-sx9VB^p0@onMu&QF&dTk"
    "BxuNtW5blt`W3i#q+`DZ`+{HF4&-RjM~b{rqmSD#^jyzNXx&#I$fi#2C!Y3vX3m^;1gSH(VJdcvQrtnyh*A^(B&ksx"
    "hF;+b^pHSur7XriidU{1`d=jGK^eVH9e6AH1*3M4VkCeCZn`!I>lZ$|Dcw*Oir)bJWutKjtmB$OdfPK{zCD^yEYctA"
    "R1vXt_b14CH?@|`cJ5=H<HxCk!#eQ|LjJbVlSbHwv{#S*WyyW_z&@!a#uf0qJRWP(xeVx_^d;D_fLyJK$>5ky0HH;Y"
    "-v(+MHL(GOI}Bn(mL<}u+;bCH=^9|9B;IoopFjzkZdKEiM}jX|fAgm<R*_{!0gz@A%lQLFFl8d_&1&Wn#89W%jaAV5"
    "ZnWPU?QBqmFPA>4EXj8HPQx_PR<!6gAMg%z=ds(G)J_9->=((h(|71eGjE>ee!Y-6eX1{9b@e-Y@G7K8B92ncd#?n("
    "9Lnu!i?0qjga(-KA&Y6*rG&X$I0k1JDY%Z!tvq@lRWGQ%mKViY8vhHnR~!4en<lghV!RM}#p*Gh5<mH1;8KDB_DtK9"
    ">1?n?d%+J<$3-jAqw<W#ari-DCG?)+jQ$K?@P<0srEfyvnbt^$71T|Z;X;z~UIn{m=f;VmJGdmnHDtRYRlpiz-!S)-"
    "7<c-R9aBW$IGq;VicMt(!bE{2(o41|j8exWV+X=CY3hK-9&ynysf9z6B~ut}3Y~M@q!xFb)ie8#0ii%=)2st#!G5X="
    "wp)Lz553noZLQm&bOdMQ67a2n=#g~srvqIr{H+#H+#dhKcG|M^kLX-OjnMN&32~!J*1LY~Bvt7^+AaQbChp2J{COai"
    "^b%M(#rUXwKAZ|SO|vLd%s;!KONeE^m~vYQq%wg`Ex{c92Ush!i|WK5ZdVYoIiQ2I4VzxYj86b+LZVu^fGq5h6jCh0"
    "ThwyN_!Zlm9Es#}57_YlJm)LYMeh{QXnr`bamaw;Ullrq@GRYp%VHYhZqYpv*{9}{!`ltyO3r4wf8LZC^@$-?qJBMZ"
    "`eY@=I-Mzgvd4p*YrR^g1lXbFN|_KnsMA!im%>7G2mCaYP$aT<Mksn2QYv>ip8}{MK+0}PvNPbl0bk3w46RS}fnLu>"
    "XB1EC4Uj4NM3P?(D)qT)A$tD_WEZIBO{;pr^oZV;_Fd7n?2WPbYl-Jn{0F1!3~ZW1h3F%UG~Sj4wjHVBkM$+3J>7Y<"
    ";V{B^&xTU$%a1SHO!I&vXxAr417;XAy$GH$XA00(7``!fuwgfX(pml+)v8VKTzo^*ZSGSEGp2deWy2U&"
)


def tile() -> NDArray[np.uint8]:
    """Return the thresholds: (64, 64) uint8, each value 16 times."""
    return np.frombuffer(base64.b85decode(RANKS), np.uint8).reshape(SIDE, SIDE)
