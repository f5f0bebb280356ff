"""Title and remedy of each problem in Chinese, by slug; a test holds that none is missing."""

from __future__ import annotations

from collections.abc import Mapping

_TEMPLATE = "请原样发送 /v1/embed 返回的模板。"
_LATER = "请等待 Retry-After 给出的秒数后重试。"

PROBLEMS: Mapping[str, tuple[str, str]] = {
    "internal-error": ("govid 内部错误", "请把请求编号（request_id）告知运营方。"),
    # The photo
    "photo-not-an-image": (
        "照片不是 govid 能读取的图像",
        "请发送 JPEG、PNG 或 WebP 文件的原始字节；用 curl 时写作 photo=@文件名。",
    ),
    "photo-truncated": ("照片数据不完整或已损坏", "请重新发送完整的文件。"),
    "photo-too-large": ("照片文件过大", "请发送更小或压缩率更高的照片。"),
    "photo-too-many-pixels": ("照片像素过多", "请先缩小照片再发送。"),
    "photo-too-small": ("照片像素太少，容不下一张人脸", "请发送至少 32×32 像素的照片。"),
    "photo-unreadable": ("无法打开照片文件", "请检查文件路径和权限。"),
    "photo-decompression-bomb": (
        "照片解压后的数据量远超允许范围",
        "请发送不含内嵌压缩数据的普通照片。",
    ),
    "photo-animated": ("照片包含多帧画面", "请发送单张静态照片。"),
    "face-not-detected": (
        "照片中未检测到人脸",
        "请重新拍摄：正对镜头、光线充足，人脸约占画面的三分之一。",
    ),
    "multiple-faces": ("照片中还有另一张大小相近的人脸", "请重新拍摄，画面中只保留一人。"),
    "low-quality": ("人脸质量不足以进行比对", "请靠近一些重新拍摄，并确保画面清晰。"),
    # The request
    "invalid-body": ("请求体不符合规定的结构", "请按 detail 所述修改；请求体的结构见 /schema。"),
    "malformed-body": ("请求体无法解析", "请发送格式正确的 JSON 或 multipart/form-data。"),
    "unknown-field": ("请求体含有 govid 不认识的字段", "请删除该字段；govid 不会悄悄忽略任何内容。"),
    "invalid-base64": (
        "某个字段不是有效的 base64",
        "请使用标准字母表并带填充（RFC 4648 第 4 节），中间不要换行。",
    ),
    "invalid-parameter": ("参数无效", "请按 detail 所述修改；允许的取值见 /schema。"),
    "invalid-subject-id": (
        "主体编号（subject_id）不符合要求",
        "请使用 1 至 128 个可打印字符，不得含斜杠或反斜杠，首尾不得有空格，也不得为“.”或“..”。",
    ),
    "unknown-subject": ("没有这个主体", "请先登记该主体，或核对编号。"),
    "subject-exists": ("该主体已登记", "请为该主体添加参考照片，或先将其删除。"),
    "subject-held": ("该主体尚未生效：疑似重复登记，有待裁决", "请裁决人员处理该案件，或删除该主体。"),
    "duplicate-face": (
        "这张照片与另一位已登记的主体相似",
        "请查看本次请求审计记录中的候选人；同一个人只应登记一次。",
    ),
    "unlike-subject": (
        "这张照片与该主体不相似",
        "请确认照片上确为本人。如确为本人而参考照片有误或过旧，请删除该主体后重新登记。",
    ),
    "invalid-group": (
        "组名不符合要求",
        "请使用 1 至 64 个字符：a-z、A-Z、0-9、点、下划线和连字符。",
    ),
    "invalid-receipt": ("回执不是由本系统签发，或已被改动", "请原样发送随决定一同返回的回执。"),
    "feedback-exists": (
        "该决定已经评价过",
        "评价只能由“好”改为“差”；补充说明会并入申诉，已答复的申诉将因此重新打开。",
    ),
    "unknown-complaint": (
        "没有该编号的申诉在等待此答复",
        "请查看 /console 中的申诉或 GET /v1/complaints：可能已有人答复，或该申诉尚待答复、无需更正。",
    ),
    "unknown-reference": (
        "该主体没有这个参考样本",
        "请查看该主体的参考样本：GET /v1/subjects/{subject_id} 或 `govid subject show`。",
    ),
    "last-reference": ("这是该主体唯一的参考样本", "请先添加更好的照片，或删除该主体。"),
    "too-many-references": ("该主体的参考照片已达上限", "请先删除最不可用的参考样本，再添加此照片。"),
    "unknown-use-case": ("没有这个用途（use_case）", "请使用 detail 中列出的用途之一。"),
    "use-case-not-allowed": ("调用方无权使用该用途", "请使用已获授权的用途，或向运营方申请该用途。"),
    "subject-locked": (
        "该主体编号的失败尝试过多，已暂时锁定",
        "请等待 Retry-After 给出的秒数后重试，或交由人工判断。",
    ),
    "invalid-template": ("该模板无法使用", _TEMPLATE),
    "template-wrong-length": ("模板长度与其模型不符", _TEMPLATE),
    "template-not-finite": ("模板含有非有限数值", _TEMPLATE),
    "template-zero-norm": ("模板全为零", _TEMPLATE),
    "template-implausible": ("该模板不可能由其模型生成", _TEMPLATE),
    "template-wrong-model": ("模板来自另一个模型", "请用 GET /v1/models 列出的模型重新生成模板。"),
    "reference-too-old": (
        "该主体的所有参考照片都超过了该用途允许的年限",
        "请为该主体添加近照，或用其他方式核实此人。",
    ),
    "template-not-accepted": ("该用途要求提交照片：现成的模板无从得知由何而来", "请发送照片。"),
    "no-comparable-reference": ("该主体没有由当前模型生成的参考模板", "请为该主体添加参考照片。"),
    "invalid-idempotency-key": (
        "Idempotency-Key 不符合要求",
        "请使用 1 至 128 个可见的 ASCII 字符，例如 UUID。",
    ),
    "idempotency-key-reused": ("该 Idempotency-Key 已用于另一个请求", "请为每个新请求使用新的键。"),
    "key-name-taken": (
        "该接入方已有密钥",
        "请用 `govid keys rotate` 换发新密钥，或用 `govid keys revoke` 吊销旧密钥。",
    ),
    "unknown-key": ("没有这个有效密钥", "名称和编号见 `govid keys list`。"),
    "unknown-job": ("没有这个查重任务", "请查看 GET /v1/dedup/jobs 或 `govid dedup status`。"),
    "job-running": ("已有同类查重任务正在运行", "请等待 job_id 所指的任务结束，或将其取消。"),
    "job-ended": ("该查重任务已结束", "请启动新任务。"),
    "job-too-loose": (
        "按现有标定，被误判为相似的人对太多，无法逐一人工查看",
        "请用更多人员的照片重新标定，或只比对上次任务之后的新增部分。",
    ),
    "unknown-case": ("没有这个案件", "请查看 /console 中的案件、GET /v1/cases 或 `govid cases list`。"),
    "case-closed": (
        "该案件或其中这一对主体已有裁决",
        "请查看该案件：本次请求未作任何改动。若有新证据，新的查重任务会另立案件。",
    ),
    "photo-not-kept": (
        "没有留存该参考的照片",
        "请在没有照片的情况下裁决；以后登记的照片是否留存由 GOVID_KEEP_PHOTOS_DAYS 决定。",
    ),
    # Who asks
    "unauthenticated": (
        "请求未说明调用方身份",
        "请在 `Authorization: Bearer` 中发送 API 密钥或访问令牌，或出示客户端证书。",
    ),
    "invalid-credential": (
        "凭证无效",
        "请检查凭证是否完整、是否已过期或被吊销，或向运营方申请新的凭证。",
    ),
    "signed-out": ("会话已结束，或尚未登录", "请使用 API 密钥重新登录。"),
    "too-many-tries": ("登录尝试过多", "请等待一分钟后重试。"),
    "form-expired": ("该表单不是来自本次会话的页面", "请重新打开页面，并从该页面提交表单。"),
    "scope-missing": ("调用方没有所需的权限范围（scope）", "请向运营方申请 detail 中所列的权限范围。"),
    "untrusted-proxy": (
        "请求声称带有客户端证书，但只有受信任的代理才可如此",
        "请勿发送 Client-Cert 请求头；请持证书通过 TLS 直接连接，或经由代理连接。",
    ),
    "foreign-page": (
        "请求来自网页，或指向另一个主机名",
        "请以 localhost 访问服务器（由程序调用，或从控制台自己的页面操作），或为服务器开启身份认证。",
    ),
    "rate-limited": ("该接入方请求过于频繁", _LATER),
    "quota-exceeded": ("该接入方同时进行的请求过多", _LATER),
    # HTTP
    "unsupported-content-type": ("govid 不支持该请求体的内容类型", "请使用 detail 中列出的类型之一。"),
    "body-too-large": ("请求体过大", "请发送更小的照片或更短的文字。"),
    "body-too-slow": ("请求体未能及时送达", "请在网络较好时重新发送，或发送更小的照片。"),
    "head-too-large": ("请求头过大", "请减少或缩短请求头，并使用较短的地址。"),
    "malformed-request": (
        "收到的内容不是含义唯一的 HTTP 请求",
        "请使用 HTTP/1.1，且 Host 请求头与请求体长度各只给出一个。",
    ),
    "upgrade-not-supported": (
        "请求带有请求体，却要求切换到其他协议",
        "请使用不带 Upgrade 请求头的 HTTP/1.1（Java 中为 HttpClient.Version.HTTP_1_1），或改用 https。",
    ),
    "not-found": ("没有这个地址", "所有地址见 /schema；人工操作请从 /console 进入。"),
    "method-not-allowed": ("该地址不接受此方法", "可用的方法见 /schema。"),
    "client-gone": ("客户端在请求发送完之前断开了连接", "请重新发送请求。"),
    # The installation
    "invalid-settings": ("设置无效", "请更正 detail 中所指的设置。"),
    "model-missing": ("缺少模型文件", "请运行 `govid models pull`。"),
    "model-digest-mismatch": (
        "模型文件与清单中的摘要不符",
        "请删除该文件并运行 `govid models pull`；若仍然不符，请勿信任其来源。",
    ),
    "model-unusable": (
        "模型的结构与清单所述不符",
        "请更正清单，或使用输入为 112×112、输出为单个特征向量的模型。",
    ),
    "model-source-unreachable": (
        "无法获取模型",
        "请检查网络或代理，或把文件放入文件夹：`govid models pull --from 文件夹`。",
    ),
    "model-not-serving": (
        "设置所指的模型不是当前生效模板所属的模型",
        "请将 GOVID_PROFILE、GOVID_PRECISION（或保持为 auto）和 GOVID_EMBEDDER 设为 `govid doctor` 所示的值，"
        "然后重新启动；如需更换模型，请用这些设置运行 `govid migrate start`。",
    ),
    "no-migration": ("没有正在进行的模型迁移", "请用 `govid migrate start` 启动迁移。"),
    "migration-refused": (
        "迁移目前无法执行这一步",
        "请解决 detail 中所指的问题；当前进度见 `govid migrate status` 和 `govid migrate report`。",
    ),
    "provider-missing": (
        "所要求的 ONNX Runtime provider 不可用",
        "请安装带有它的运行时（`make setup GPU=1`），或更改 GOVID_PROVIDERS。",
    ),
    "runtime-missing": (
        "所要求的运行时未安装",
        "请安装（`pip install openvino`），或将 GOVID_RUNTIME 保持为 auto。",
    ),
    "precision-unavailable": (
        "此处不支持所要求的精度",
        "请设置 GOVID_PRECISION=float32，或 `govid doctor` 列出的其他精度；"
        "如已有登记，请在支持原精度的机器上用 `govid migrate start` 更换。",
    ),
    "not-calibrated": (
        "当前模型没有标定，分数无法转为决定",
        "请为该模型运行 `govid calibrate --data 文件夹`。",
    ),
    "profile-unavailable": (
        "该用途所需的 profile 未在本系统启用",
        "请运行 `govid models pull high_assurance`，然后运行 `govid migrate start --profile high_assurance`；"
        "若尚无人登记，则设置 GOVID_PROFILE=high_assurance。",
    ),
    "liveness-unavailable": (
        "该用途要求活体检测，而本版 govid 不具备",
        "请用其他方式确认本人在场，或使用策略不要求活体检测的用途。",
    ),
    "store-unavailable": (
        "记录库无法读写",
        "请检查磁盘和数据文件夹的权限，或确认 PostgreSQL 正在运行且可以连接；之后重试。",
    ),
    "store-driver-missing": (
        "未安装设置中记录库所需的软件包",
        "请安装（`pip install 'psycopg[binary]'`），或取消设置 GOVID_STORE_URL。",
    ),
    "encryption-key-missing": (
        "缺少用于加密模板的密钥",
        "请放回密钥文件（数据文件夹中的 keys/encryption.json，或 GOVID_ENCRYPTION_KEYS_FILE 所指的文件）；"
        "没有该密钥，任何人都无法读取它所保护的内容。",
    ),
    "seal-broken": (
        "记录库中有模板已损坏或遭到篡改：它不是 govid 封存时的内容",
        "请保留一份数据库副本作为证据，查明是谁写入了数据库，并恢复备份。",
    ),
    "gallery-unavailable": ("底库无法检索", "原因见 /readyz 和 /v1/gallery；记录安全无损，请稍后重试。"),
    "audit-broken": (
        "审计记录与写入时不一致：有记录被改动、移动或删除",
        "请运行 `govid audit verify`；保留一份数据库副本作为证据，并恢复备份。",
    ),
    "erasure-not-written": (
        "已经删除，但密钥旁的删除记录文件尚未写入",
        "请解决详情所述问题：运行中的服务器或其下次启动会补写。在此之前恢复的备份会使已删除者重新出现。"
        "请保存详情末尾的回执。",
    ),
    "backup-failed": ("备份或恢复未能完成", "请解决详情所述问题后重新开始；不会留下半成品。"),
    "backup-tool-missing": (
        "未安装复制 PostgreSQL 的程序",
        "请安装与服务器版本相同或更新的 pg_dump 和 pg_restore（postgresql-client）。",
    ),
    "backup-broken": (
        "备份与写入时不一致，或此处无法判断",
        "请使用其他备份；若可能有人改动过，请保留此备份作为证据。",
    ),
    "target-not-empty": ("目标位置已有内容", "请指定新的文件夹或空数据库：从不覆盖任何内容。"),
    "erasures-unknown": (
        "无法得知备份之后删除了哪些人",
        "请提供原系统的 keys/erasures.jws（--erasures 文件），或备份之后导出的审计（--newer-audit 文件）；"
        "如能确定此后无人被删除，请使用 --none-erased。",
    ),
    "clock-doubtful": (
        "时钟与记录相差过远：不按它清除任何内容",
        "请校准时钟（chrony、ntpd）。如果时钟无误，只是系统停用了这么久："
        "请运行一次 `govid retention run --trust-clock`。",
    ),
    "signing-key-foreign": (
        "签名密钥不是为这些记录签名的那一把",
        "请从密钥自己的备份中将详情所指的密钥放回原处，权限设为 0600。"
        "只有在旧密钥就位时运行 `govid audit keys rotate`，才能换用新密钥。",
    ),
    "signing-key-gone": (
        "无法读取签名密钥文件",
        "请在服务器下次启动之前从密钥自己的备份中恢复该文件，权限设为 0600："
        "新密钥无法证明以前所签的任何内容。",
    ),
    "signing-key-retired": (
        "本服务器的签名密钥已被另一把取代",
        "请从运行 `govid audit keys rotate` 的服务器复制 keys/signing.pem，权限设为 0600。",
    ),
    "storage-full": ("记录库所在磁盘已满", "请释放空间；其间仍可读取，有空间后无需重启即可写入。"),
    "disk-low": ("数据文件夹的可用空间不足 1 GiB", "请释放空间：没有空间就无法写入审计，也就不作任何决定。"),
    "use-cases-stale": (
        "有用途文件出错：所有用途保持原样",
        "日志中写有文件名和键名；请更正该文件，或将其移走。",
    ),
    "chore-failing": ("审计检查点、通知或到期清除未能完成", "原因见日志。"),
    "not-ready": ("服务器仍在加载模型和底库", "请等到 /readyz 返回 200。"),
    "issuer-unreachable": ("无法获取令牌签发方的公钥", "请检查 jwks 设置以及到签发方的网络。"),
    "overloaded": ("排队的请求过多，服务器无法及时答复", _LATER),
}
